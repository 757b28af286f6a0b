// Words: 8 of entries, 8 of signs, 2 of upper bits of 4 entries, 2 of scales of 16 numbers.
// uses: lib/grids
const iq2_s_partner: u32 = 4;
fn iq2_s_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 20 * block;
  let part = c % 256 / 32;
  let upper = (word_byte_at(w, first + 16, part) << (8 - c / 8 % 4 * 2)) & 0x300;
  let entry = word_byte_at(w, first, c % 256 / 8) | upper;
  let scale = word_byte_at(w, first + 18, part) >> (c / 16 % 2 * 4);
  return half_at(w, w.heads, block) *
    iq2(w, entry, c, word_byte_at(w, first + 8, c % 256 / 8), scale);
}
