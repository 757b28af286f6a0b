// Blocks of 256: d, dmin | words: 3 of scales and mins, 32 of codes.
const q4_k_partner = 32u;
fn q4_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 35 * block;
  let scale = k_scales(w, block, first, c);
  return scale.x * bytes_of(k_codes(w, first + 3, c)) - scale.y;
}
