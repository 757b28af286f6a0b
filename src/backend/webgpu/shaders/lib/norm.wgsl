// Rows that are normed by their root mean square, a workgroup a row.
// uses: lib/work, lib/sum
struct Params { y: u32, x: u32, w: u32, rows: u32, columns: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

// What the numbers of a row that begins at `first` are multiplied by.
fn norm_of(first: u32, lane: u32) -> f32 {
  var sum = 0.0;
  for (var j = lane; j < p.columns; j += LANES) {
    let x = load(p.x + first + j);
    sum += x * x;
  }
  let squares = sum_of_lanes(Sums(vec4<f32>(), sum), lane).one;
  return 1.0 / sqrt(squares / f32(p.columns) + p.eps);
}
