// to[i] = from[i]: words that were written with a submission.
// uses: lib/index
struct Params { to: u32, first: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> memory: array<u32>;
@group(1) @binding(1) var<storage, read> uploads: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  if (i < p.count) { memory[p.to + i] = uploads[p.first + i]; }
}
