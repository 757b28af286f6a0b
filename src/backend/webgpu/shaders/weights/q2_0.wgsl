// Blocks of 64: d | 4 words of pairs of bits.
const q2_0_partner = 4u;
fn q2_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 64) + c / 64;
  let word = word_at(w, 4 * block + c % 64 / 16);
  let pairs = (vec4<u32>(word) >> (vec4<u32>(0, 2, 4, 6) + c % 16 * 2)) & vec4<u32>(3);
  return half_at(w, w.heads, block) * (vec4<f32>(pairs) - 1);
}
