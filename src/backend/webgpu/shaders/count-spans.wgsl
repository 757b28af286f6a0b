// Adds to each span [begin, end, count] how many rows of some heads have a token of it, a workgroup
// a span.
// uses: lib/index, lib/heads
struct Params { rows: u32, head: u32, heads: u32, spans: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;

var<workgroup> sum: atomic<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let span = p.spans + 3 * group_index(dispatch);
  var own = 0u;
  for (var h = lane; h < p.heads; h += 64) {
    let end = rows_before(h, length_of(h), max(work[span], work[span + 1]));
    own += end - rows_before(h, length_of(h), work[span]);
  }
  atomicAdd(&sum, own);
  workgroupBarrier();
  if (lane == 0) { work[span + 2] += atomicLoad(&sum); }
}
