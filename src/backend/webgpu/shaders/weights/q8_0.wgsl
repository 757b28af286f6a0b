// Blocks of 32: d | 8 words of signed bytes.
const q8_0_partner = 4u;
fn q8_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  return half_at(w, w.heads, block) * signed_bytes_of(word_at(w, 8 * block + c % 32 / 4));
}
