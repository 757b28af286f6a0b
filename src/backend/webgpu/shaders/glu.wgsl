// y[i] = activation(gate[i]) * up[i]; y may be gate.
// uses: lib/index, lib/work, lib/activation
override HOW: u32;
struct Params { y: u32, gate: u32, up: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i < p.count) { store(p.y + i, gated(load(p.gate + i), load(p.up + i), HOW)); }
}
