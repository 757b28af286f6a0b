// Blocks of 32: d | a word of fifth bits, 4 of nibbles.
const q5_0_partner = 16u;
fn q5_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  return half_at(w, w.heads, block) * (q5_codes(w, 5 * block, c) - 16);
}
