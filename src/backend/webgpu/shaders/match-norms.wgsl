// y[r] *= norm2(x[r]) / norm2(y[r]), a workgroup a row; rows of zeros stay.
// uses: lib/index, lib/work, lib/sum
struct Params { y: u32, x: u32, rows: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let row = group_index(dispatch);
  if (row >= p.rows) { return; }
  let first = row * p.columns;
  var own = 0.0;
  var like = 0.0;
  for (var j = first + lane; j < first + p.columns; j += LANES) {
    let y = load(p.y + j);
    let x = load(p.x + j);
    own += y * y;
    like += x * x;
  }
  let sums = sum_of_lanes(Sums(vec4<f32>(like, 0.0, 0.0, 0.0), own), lane);
  if (sums.one == 0.0) { return; }
  let by = sqrt(sums.four.x) / sqrt(sums.one);
  for (var j = first + lane; j < first + p.columns; j += LANES) {
    store(p.y + j, load(p.y + j) * by);
  }
}
