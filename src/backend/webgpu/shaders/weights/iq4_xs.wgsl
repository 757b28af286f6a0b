// Blocks of 256: d, 8 top pairs of scales | a word of their low nibbles, 8 x 4 words of nibbles.
const iq4_xs_partner = 16u;
fn iq4_xs_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let part = c % 256 / 32;
  let first = 33 * block;
  let head = stored(w.slot, w.heads + block);
  let top = (head >> (16 + 2 * part)) & 3;
  let low = (word_at(w, first) >> (4 * part)) & 15;
  let scale = unpack2x16float(head).x * (f32(low | (top << 4)) - 32);
  let nibbles = nibbles_of(word_at(w, first + 1 + 4 * part + c % 16 / 4), c / 16 % 2);
  return scale * chosen(NON_LINEAR, nibbles);
}
