// Blocks of 64: words: 4 scales, a byte each; 4 x 2 of nibbles of 16 numbers, 8 low ones first.
const nvfp4_partner = 8u;
fn nvfp4_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let first = 9 * (row * (w.columns / 64) + c / 64);
  let part = c % 64 / 16;
  let byte = (word_at(w, first) >> (8 * part)) & 255;
  // the least ones have no exponent: mantissa / 2^10
  let normal = bitcast<f32>(((byte & 127) << 20) + (119u << 23));
  let scale = select(normal, f32(byte & 7) / 1024, (byte & 120) == 0);
  let nibbles = nibbles_of(word_at(w, first + 1 + 2 * part + c % 8 / 4), c / 8 % 2);
  return select(scale, 0.0, byte == 127) * chosen(FOUR_BITS, nibbles);
}
