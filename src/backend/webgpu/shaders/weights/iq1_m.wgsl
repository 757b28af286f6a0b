// Words: 8 of entries, 4 of nibbles, 3 upper bits and a sign, 2 of pairs, 4 x 3 bits of scales and 4
// of d.
// uses: lib/grids
const iq1_m_partner: u32 = 4;
fn iq1_m_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let first = 14 * (row * (w.columns / 256) + c / 256);
  let own = word_byte_at(w, first + 8, c % 256 / 16) >> (c / 8 % 2 * 4);
  let entry = word_byte_at(w, first, c % 256 / 8) | ((own & 7) << 8);
  let scale = pair_of(w, first + 12, c % 256 / 64) >> (c / 16 % 4 * 3);
  let pairs = vec2<u32>(word_at(w, first + 12), word_at(w, first + 13));
  let low = ((pairs.x >> 12) & 15) | ((pairs.x >> 24) & 0xf0);
  let d = unpack2x16float(low | ((pairs.y >> 4) & 0xf00) | ((pairs.y >> 16) & 0xf000)).x;
  return d * iq1(w, entry, c, own >> 3, scale);
}
