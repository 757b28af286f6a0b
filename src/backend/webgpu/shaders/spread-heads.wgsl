// Heads of a range move so that each has the same room behind the rows that stay. One that moves
// right can only collide with the one behind it, one that moves left with the one before: so
// right-movers go from the last, left-movers from the first. A lane has a column to itself.
// settle-heads.wgsl notes where they are then.
// uses: lib/index, lib/columns
struct Params {
  rows: u32, head: u32, all_heads: u32, heads: u32, first: u32, end: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> keys: array<u32>;
@group(1) @binding(1) var<storage, read_write> values: array<u32>;
@group(1) @binding(2) var<storage, read_write> notes: array<u32>;

fn move_right(column: u32, at: u32, to: u32, count: u32) {
  var held: array<u32, BATCH>;
  for (var left = count; left > 0; left -= min(left, BATCH)) {
    for (var b = 1u; b <= BATCH; b++) {
      if (b <= left) { held[b - 1] = word_in(column, at + left - b); }
    }
    for (var b = 1u; b <= BATCH; b++) {
      if (b <= left) { set_word(column, to + left - b, held[b - 1]); }
    }
  }
}

fn move_left(column: u32, at: u32, to: u32, count: u32) {
  var held: array<u32, BATCH>;
  for (var i = 0u; i < count; i += BATCH) {
    for (var b = 0u; b < BATCH; b++) {
      if (i + b < count) { held[b] = word_in(column, at + i + b); }
    }
    for (var b = 0u; b < BATCH; b++) {
      if (i + b < count) { set_word(column, to + i + b, held[b]); }
    }
  }
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let column = group_index(dispatch) * 64 + lane;
  if (column >= column_count()) { return; }
  var total = 0u;
  for (var h = 0u; h < p.heads; h++) { total += stays(h); }
  let spare = (p.end - p.first - total) / p.heads;
  var to = p.first + total + p.heads * spare;
  for (var h = p.heads; h > 0; ) {
    h--;
    to -= stays(h) + spare;
    if (to > start_of(h)) { move_right(column, start_of(h), to, stays(h)); }
  }
  for (var h = 0u; h < p.heads; h++) {
    if (to < start_of(h)) { move_left(column, start_of(h), to, stays(h)); }
    to += stays(h) + spare;
  }
}
