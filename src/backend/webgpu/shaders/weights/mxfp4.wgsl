// Blocks of 32: a byte of exponent | 4 words of nibbles that number values. Devices may take what is
// below the least normal number for 0.
const mxfp4_partner = 16u;
fn mxfp4_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 32) + c / 32;
  let e = byte_at(w, w.heads, block);
  let scale = bitcast<f32>(select((e - 1) << 23, 0x00200000u << e, e < 2));
  let nibbles = nibbles_of(word_at(w, 4 * block + c % 16 / 4), c / 16 % 2);
  return scale * chosen(FOUR_BITS, nibbles);
}
