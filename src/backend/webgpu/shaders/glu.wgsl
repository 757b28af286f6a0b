// y[i] = activation(gate[i]) * up[i]; y may be gate.
// uses: lib/index, lib/work, lib/activation
override GELU: u32;
struct Params { y: u32, gate: u32, up: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i >= p.count) { return; }
  let gate = load(p.gate + i);
  let open = select(silu(gate), gelu(gate), GELU == 1);
  store(p.y + i, open * load(p.up + i));
}
