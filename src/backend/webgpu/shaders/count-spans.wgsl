// Adds to each span [begin, end, count] how many rows of some heads have a token of it, a workgroup
// a span. Tokens ascend.
// uses: lib/index, lib/heads
struct Params { rows: u32, head: u32, heads: u32, spans: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

var<workgroup> sum: atomic<u32>;

// Rows of a head before a token.
fn before(h: u32, token: u32) -> u32 {
  var low = 0u;
  var high = length_of(h);
  while (low < high) {
    let middle = (low + high) / 2;
    if (notes[token_at(start_of(h) + middle)] < token) { low = middle + 1; } else { high = middle; }
  }
  return low;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = p.spans + 3 * group_index(group, groups);
  var own = 0u;
  for (var h = lane; h < p.heads; h += 64) {
    own += before(h, max(work[span], work[span + 1])) - before(h, work[span]);
  }
  atomicAdd(&sum, own);
  workgroupBarrier();
  if (lane == 0) { work[span + 2] += atomicLoad(&sum); }
}
