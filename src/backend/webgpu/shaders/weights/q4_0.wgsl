// Blocks of 32: d | 4 words of nibbles.
const q4_0_partner = 16u;
fn q4_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  return half_at(w, w.heads, block) * (q4_codes(w, 4 * block, c) - 8);
}
