// Groups of a row normed by their root mean square, and gated: y = x / rms w silu(gate), or if the
// gate comes first (GATE) that of x silu(gate), without it. A workgroup a group; y may be x or gate.
// uses: lib/index, lib/work, lib/activation, lib/sum
override GATE: u32;
struct Params {
  y: u32, x: u32, gate: u32, w: u32, groups: u32, columns: u32, weights: u32, eps: f32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> w: array<f32>;

fn input(i: u32) -> f32 {
  return select(load(p.x + i), load(p.x + i) * silu(load(p.gate + i)), GATE == 1);
}

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let group = group_index(dispatch);
  if (group >= p.groups) { return; }
  let first = group * p.columns;
  var sum = 0.0;
  for (var j = lane; j < p.columns; j += LANES) {
    let x = input(first + j);
    sum += x * x;
  }
  let squares = sum_of_lanes(Sums(vec4<f32>(), sum), lane).one;
  let by = 1.0 / sqrt(squares / f32(p.columns) + p.eps);
  let own = p.w + (group % p.weights) * p.columns;
  for (var j = lane; j < p.columns; j += LANES) {
    let i = first + j;
    let y = input(i) * by * w[own + j];
    store(p.y + i, select(y * silu(load(p.gate + i)), y, GATE == 1));
  }
}
