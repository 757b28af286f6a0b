// y[i, c] = what becomes of gate y[i, c] and up y[i, f + c], c < f.
// uses: lib/index, lib/work, lib/activation
override KIND: u32;
struct Params { y: u32, rows: u32, f: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i >= p.rows * p.f) { return; }
  let at = p.y + i / p.f * 2 * p.f + i % p.f;
  store(at, gated(load(at), load(at + p.f), KIND));
}
