// Blocks of 256: words: 4 of scales, low nibbles, and mins, 16 of pairs; the tail is d, dmin.
const q2_k_partner = 32u;
fn q2_k_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let own = word_at(w, 20 * block + c % 256 / 64) >> (c / 16 % 4 * 8);
  let both = unpack2x16float(stored(w.slot, w.tails + block));
  let by = both * vec2<f32>(f32(own & 15), f32((own >> 4) & 15));
  return by.x * bytes_of(pairs_of(w, 20 * block + 4, c)) - by.y;
}
