// Blocks of 256: words: 8 of third bits, bit i for the numbers of part i, 16 of pairs, 3 of scales:
// 16 low nibbles, the lower ones first, 16 top pairs likewise; the tail is d.
const q3_k_partner = 32u;
fn q3_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 27 * block;
  let third = (word_at(w, first + c % 32 / 4) >> (c % 256 / 32)) & 0x01010101;
  let s = c % 256 / 16;
  let byte = s % 4 * 8;
  let low = (word_at(w, first + 24 + s / 4 % 2) >> (byte + s / 8 * 4)) & 15;
  let top = (word_at(w, first + 26) >> (byte + s / 4 * 2)) & 3;
  let scale = half_at(w, w.tails, block) * (f32(low | (top << 4)) - 32);
  return scale * (bytes_of(pairs_of(w, first + 8, c) | (third << 2)) - 4);
}
