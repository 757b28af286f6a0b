// Blocks of 256: words: 32 of low nibbles, 16 of upper pairs, 4 of scales i8 of 16 numbers; the tail is
// d. Halves of a block have half of each: 64 low nibbles first, pairs of 32 numbers by two bits.
const q6_k_partner = 64u;
fn q6_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 52 * block;
  let half = c % 256 / 128;
  let low = nibbles_of(word_at(w, first + 16 * half + c % 64 / 4), c / 64 % 2);
  let upper = (word_at(w, first + 32 + 8 * half + c % 32 / 4) >> (c / 32 % 4 * 2)) & 0x03030303;
  let scales = word_at(w, first + 48 + c % 256 / 64);
  let scale = f32(extractBits(bitcast<i32>(scales), c / 16 % 4 * 8, 8u));
  return half_at(w, w.tails, block) * scale * (bytes_of(low | (upper << 4)) - 32);
}
