// Words: 8 of entries, 4 of pairs, 4 x 3 upper bits, a scale and a sign.
// uses: lib/grids
const iq1_s_partner: u32 = 4;
fn iq1_s_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 12 * block;
  let own = pair_of(w, first + 8, c % 256 / 32);
  let entry = word_byte_at(w, first, c % 256 / 8) | (((own << (9 - c / 8 % 4 * 3)) >> 1) & 0x700);
  return half_at(w, w.heads, block) * iq1(w, entry, c, own >> 15, own >> 12);
}
