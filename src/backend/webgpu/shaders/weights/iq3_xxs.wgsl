// Words: 16 of entries, 8 of 4 x 7 signs and a scale. Levels 4, 12 .. 52, 62.
// uses: lib/grids
const iq3_xxs_partner: u32 = 4;
fn iq3_xxs_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let first = 24 * block;
  let own = word_at(w, first + 16 + c % 256 / 32);
  let digits = digits_of_4(w, word_byte_at(w, first, c % 256 / 4));
  let level = vec4<f32>(4 + 8 * digits + 2 * (digits / 7));
  let scale = half_at(w, w.heads, block) * (0.5 * (0.5 + f32(own >> 28)));
  return scale * signs_of(even((own >> (c / 8 % 4 * 7)) & 127), c) * level;
}
