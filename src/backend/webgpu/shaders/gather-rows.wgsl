// Chosen rows move to the front of their heads, in their order. A lane has a column of a head to
// itself: no row is written before it was read, as chosen rows ascend.
// uses: lib/index, lib/columns
struct Params {
  rows: u32, head: u32, all_heads: u32, heads: u32, list: u32, first: u32, each: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> keys: array<u32>;
@group(1) @binding(2) var<storage, read_write> values: array<u32>;
@group(1) @binding(3) var<storage, read_write> notes: array<u32>;

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let h = index / p.each;
  let column = index % p.each * 64 + lane;
  if (h >= p.heads || column >= column_count()) { return; }
  let count = kept_of(h);
  if (count >= length_of(h)) { return; }
  let start = start_of(h);
  let list = p.list + start - p.first;
  var held: array<u32, BATCH>;
  for (var i = 0u; i < count; i += BATCH) {
    for (var b = 0u; b < BATCH; b++) {
      if (i + b < count) { held[b] = word_in(column, start + work[list + i + b]); }
    }
    for (var b = 0u; b < BATCH; b++) {
      if (i + b < count) { set_word(column, start + i + b, held[b]); }
    }
  }
}
