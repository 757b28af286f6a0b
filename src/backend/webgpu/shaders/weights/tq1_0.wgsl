// Blocks of 256: 13 words of digits to base 3: five in a byte of the first 12, the first of 8 (of 4)
// words behind one another, then the second ones; four in the last; the tail is d.
const tq1_0_partner = 4u;
fn tq1_0_weights(w: Weight, row: u32, c: u32) -> vec4<f32> {
  let block = row * (w.columns / 256) + c / 256;
  let i = c % 256;
  let late = i >= 160;
  let last = i >= 240;
  let words = select(select(8u, 4u, late), 1u, last);
  let begin = select(select(0u, 8u, late), 12u, last);
  let four = (i - select(select(0u, 160u, late), 240u, last)) / 4;
  let powers = array<u32, 5>(1, 3, 9, 27, 81);
  let word = word_at(w, 13 * block + begin + four % words);
  let left = (((vec4<u32>(word) >> BYTES) & vec4<u32>(255)) * powers[four / words]) & vec4<u32>(255);
  return half_at(w, w.tails, block) * (vec4<f32>((left * 3) >> vec4<u32>(8)) - 1);
}
