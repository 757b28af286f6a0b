// Vectors of D numbers as rows of few bits have them (lib/hadamard), a workgroup a vector.
// uses: lib/index, lib/work, lib/hadamard
struct Params { to: u32, vectors: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const LANES: u32 = 64;
var<workgroup> spin: array<f32, D>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch);
  if (i >= p.count) { return; }
  for (var j = lane; j < D; j += LANES) { spin[j] = load(p.vectors + i * D + j); }
  rotate(1, lane, LANES);
  for (var j = lane; j < D; j += LANES) { store(p.to + i * D + j, spin[j]); }
}
