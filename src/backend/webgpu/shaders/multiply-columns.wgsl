// y[r] *= by.
// uses: lib/index, lib/work
struct Params { y: u32, by: u32, count: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> by: array<f32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i < p.count) { store(p.y + i, load(p.y + i) * by[p.by + i % p.columns]); }
}
