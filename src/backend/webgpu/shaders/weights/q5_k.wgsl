// Blocks of 256: d, dmin | words: 3 of scales and mins, 8 of fifth bits, bit i for the numbers of part
// i, 32 of codes.
const q5_k_partner = 32u;
fn q5_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 43 * block;
  let scale = k_scales(w, block, first, c);
  let fifth = (word_at(w, first + 3 + c % 32 / 4) >> (c % 256 / 32)) & 0x01010101;
  return scale.x * bytes_of(k_codes(w, first + 11, c) | (fifth << 4)) - scale.y;
}
