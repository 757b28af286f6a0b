// y[i] = a[i] * b[i]; y may be either.
// uses: lib/index, lib/work
struct Params { y: u32, a: u32, b: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i < p.count) { store(p.y + i, load(p.a + i) * load(p.b + i)); }
}
