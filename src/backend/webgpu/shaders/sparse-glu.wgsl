// y[r] = gelu(max(gate[r] - c, 0)) * up[r], c = mean + `deviations` std of a row's gates; a
// workgroup a row; y may be gate.
// uses: lib/index, lib/work, lib/activation, lib/gather
struct Params { y: u32, gate: u32, up: u32, rows: u32, columns: u32, deviations: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const LANES: u32 = 64;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let row = group_index(dispatch);
  if (row >= p.rows) { return; }
  let first = row * p.columns;
  var sum = 0.0;
  for (var j = lane; j < p.columns; j += LANES) { sum += load(p.gate + first + j); }
  let mean = gather(vec2<f32>(sum, 0.0), lane).x / f32(p.columns);
  sum = 0.0;
  for (var j = lane; j < p.columns; j += LANES) {
    let apart = load(p.gate + first + j) - mean;
    sum += apart * apart;
  }
  let squares = gather(vec2<f32>(sum, 0.0), lane).x;
  let least = mean + p.deviations * sqrt(squares / f32(max(p.columns, 2) - 1));
  for (var j = first + lane; j < first + p.columns; j += LANES) {
    store(p.y + j, gelu(max(load(p.gate + j) - least, 0.0)) * load(p.up + j));
  }
}
