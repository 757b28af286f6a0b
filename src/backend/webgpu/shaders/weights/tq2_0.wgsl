// Blocks of 256: 16 words of pairs; the tail is d.
const tq2_0_partner = 32u;
fn tq2_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  return half_at(w, w.tails, block) * (bytes_of(pairs_of(w, 16 * block, c)) - 1);
}
