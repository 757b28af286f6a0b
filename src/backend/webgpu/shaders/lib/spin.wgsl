// What rows are made of: a head's D numbers in workgroup memory, by workgroups of LANES that all
// call these functions.
// uses: lib/work, lib/rows, lib/hadamard, lib/gather
const LANES: u32 = 64;
var<workgroup> spin: array<f32, D>;

// Turns pairs of `spin`, (2j, 2j + 1) or (j, j + half), by a shader's angle_of(j): [cos, sin].
fn turn(half: u32, pairs: bool, lane: u32) {
  workgroupBarrier();
  for (var j = lane; j < half; j += LANES) {
    let angle = angle_of(j);
    let a = select(j, 2 * j, pairs);
    let b = a + select(half, 1u, pairs);
    let x = spin[a];
    let y = spin[b];
    spin[a] = x * angle.x - y * angle.y;
    spin[b] = x * angle.y + y * angle.x;
  }
  workgroupBarrier();
}

// The nearest half to a number, ties to even, magnitudes above 65,504 as that: by its bits, as
// devices round in ways of their own.
fn half_of(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 16) & 0x8000;
  let size = min(bits & 0x7fffffff, 0x477fe000u);
  if (size >= 0x38800000) {
    return sign | ((size + 0xfff + ((size >> 13) & 1) - 0x38000000) >> 13);
  }
  // steps of 2^-24
  let exponent = max(size >> 23, 102u);
  let shift = 126 - exponent;
  let steps = select((size & 0x7fffff) | 0x800000, 0u, size < 0x33000000);
  return sign | ((steps + (1u << (shift - 1)) - 1 + ((steps >> shift) & 1)) >> shift);
}

// Stores `spin`, whose numbers are used up, as a row of keys or of values; nothing where it does
// not fit.
fn store_row(of_values: bool, row: u32, fits: bool, lane: u32) {
  workgroupBarrier();
  var scale = 0u;
  if (ROWS < 16) {
    rotate(1, lane, LANES);
    scale = scale_of(lane);
  }
  let words = row_words();
  for (var w = lane; w < words && fits; w += LANES) {
    let word = word_of(w, scale);
    if (of_values) { values[row * words + w] = word; } else { keys[row * words + w] = word; }
  }
  workgroupBarrier();
}

fn word_of(w: u32, scale: u32) -> u32 {
  if (ROWS == 32) { return bitcast<u32>(spin[w]); }
  if (ROWS == 16) { return half_of(spin[2 * w]) | (half_of(spin[2 * w + 1]) << 16); }
  if (w == row_words() - 1) { return scale; }
  var word = 0u;
  for (var byte = 0u; byte < 4; byte++) { word |= byte_of(4 * w + byte, scale) << (8 * byte); }
  return word;
}

// A byte of codes, as row-codec.ts draws them.
fn byte_of(i: u32, scale: u32) -> u32 {
  if (ROWS == 8) { return code(i, scale); }
  if (ROWS == 4) { return code(i, scale) | (code(HALF + i, scale) << 4); }
  var byte = 0u;
  if (i < QUARTER) {
    for (var e = 0u; e < 4; e++) { byte |= (code(e * QUARTER + i, scale) & 3) << (2 * e); }
  } else if (i < QUARTER + EIGHTH) {
    for (var e = 0u; e < 8; e++) { byte |= (code(e * EIGHTH + i - QUARTER, scale) >> 2) << e; }
  }
  return byte;
}

// The code of number j of `spin`.
fn code(j: u32, scale: u32) -> u32 {
  let step_low = unpack2x16float(scale);
  if (step_low.x == 0) { return 0; }
  return u32(clamp(round((spin[j] - step_low.y) / step_low.x), 0.0, f32(levels())));
}
fn levels() -> u32 { return (1u << (ROWS % 32)) - 1; }

// Step and lowest number of `spin`, f16 each.
fn scale_of(lane: u32) -> u32 {
  var range = vec2<f32>(spin[0]);
  for (var j = lane; j < D; j += LANES) {
    range = vec2<f32>(min(range.x, spin[j]), max(range.y, spin[j]));
  }
  let low = -gather(vec2<f32>(0.0, -range.x), lane).y;
  let high = gather(vec2<f32>(0.0, range.y), lane).y;
  return half_of((high - low) / f32(levels())) | (half_of(low) << 16);
}
