// y[r] = x[r] / sqrt(mean(x[r]^2) + eps) * w, a workgroup a row; y may be x.
// uses: lib/index, lib/work, lib/sum
struct Params { y: u32, x: u32, w: u32, rows: u32, columns: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> w: array<f32>;

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let row = group_index(dispatch);
  if (row >= p.rows) { return; }
  let first = row * p.columns;
  var sum = 0.0;
  for (var j = lane; j < p.columns; j += LANES) {
    let x = load(p.x + first + j);
    sum += x * x;
  }
  let squares = sum_of_lanes(Sums(vec4<f32>(), sum), lane).one;
  let by = 1.0 / sqrt(squares / f32(p.columns) + p.eps);
  for (var j = lane; j < p.columns; j += LANES) {
    store(p.y + first + j, load(p.x + first + j) * by * w[p.w + j]);
  }
}
