// Words: 16 of pairs, an entry and 7 signs; 2 of scales of 16 numbers.
// uses: lib/grids
const iq2_xs_partner: u32 = 4;
fn iq2_xs_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 18 * block;
  let pair = pair_of(w, first, c % 256 / 8);
  let scale = word_byte_at(w, first + 16, c % 256 / 32) >> (c / 16 % 2 * 4);
  return half_at(w, w.heads, block) * iq2(w, pair & 511, c, even(pair >> 9), scale);
}
