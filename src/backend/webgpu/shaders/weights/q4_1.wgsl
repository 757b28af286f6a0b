// Blocks of 32: d, m | 4 words of nibbles.
const q4_1_partner = 16u;
fn q4_1_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  let scale = pair_at(w, block);
  return scale.x * q4_codes(w, 4 * block, c) + scale.y;
}
