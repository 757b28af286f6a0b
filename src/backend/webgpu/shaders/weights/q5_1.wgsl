// Blocks of 32: d, m | a word of fifth bits, 4 of nibbles.
const q5_1_partner = 16u;
fn q5_1_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  let scale = pair_at(w, block);
  return scale.x * q5_codes(w, 5 * block, c) + scale.y;
}
