// Blocks of 32: d | 4 words of nibbles that number values.
const iq4_nl_partner = 16u;
fn iq4_nl_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  let nibbles = nibbles_of(word_at(w, 4 * block + c % 16 / 4), c / 16 % 2);
  return half_at(w, w.heads, block) * chosen(NON_LINEAR, nibbles);
}
