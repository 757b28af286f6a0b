// The last `count` keys of a head, of rows of f32.
// uses: lib/index, lib/heads
struct Params { rows: u32, head: u32, to: u32, count: u32, d: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> keys: array<u32>;
@group(1) @binding(2) var<storage, read_write> notes: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch) * 64 + lane;
  let first = start_of(0) + length_of(0) - p.count;
  if (i < p.count * p.d) { work[p.to + i] = keys[first * p.d + i]; }
}
