// Blocks of 128: d | 4 words of bits.
const q1_0_partner = 4u;
fn q1_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 128) + c / 128;
  let word = word_at(w, 4 * block + c % 128 / 32);
  let bits = (vec4<u32>(word) >> (vec4<u32>(0, 1, 2, 3) + c % 32)) & vec4<u32>(1);
  return half_at(w, w.heads, block) * (2 * vec4<f32>(bits) - 1);
}
