// Words: 8 of 4 entries, and 4 x 7 signs and a scale.
// uses: lib/grids
const iq2_xxs_partner: u32 = 4;
fn iq2_xxs_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 16 * block + c % 256 / 32 * 2;
  let own = word_at(w, first + 1);
  let signs = even((own >> (c / 8 % 4 * 7)) & 127);
  return half_at(w, w.heads, block) * iq2(w, word_byte_at(w, first, c / 8 % 4), c, signs, own >> 28);
}
