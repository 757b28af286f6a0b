// Words: 16 of entries, 2 of their upper bits, 8 of signs, 1 of scales. Levels 1, 3 .. 15.
// uses: lib/grids
const iq3_s_partner: u32 = 4;
fn iq3_s_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 27 * block;
  let part = c % 256 / 32;
  let upper = (word_byte_at(w, first + 16, part) << (8 - c / 4 % 8)) & 256;
  let level = vec4<f32>(1 + 2 * digits_of_4(w, word_byte_at(w, first, c % 256 / 4) | upper));
  let scale = f32(1 + 2 * ((word_at(w, first + 26) >> (4 * part)) & 15));
  return half_at(w, w.heads, block) * scale *
    signs_of(word_byte_at(w, first + 18, c % 256 / 8), c) * level;
}
