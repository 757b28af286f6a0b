// Keys that stay are turned, where they lie, so that their positions become contiguous and end
// before `base`. A workgroup a row. Shifts are found in two tables of rotations: `low` of 0 .. 255,
// `high` of multiples of 256; a turn back is the opposite.
// uses: lib/index, lib/positions, lib/spin
struct Params {
  rows: u32, head: u32, all_heads: u32, heads: u32, list: u32, first: u32,
  base: u32, end: u32, by_token: u32, turns: u32, pairs: u32, low: u32, high: u32, rotated: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> keys: array<u32>;
@group(1) @binding(2) var<storage, read_write> values: array<u32>;
@group(1) @binding(3) var<storage, read_write> notes: array<u32>;

struct Turn { row: u32, shift: i32 }
var<workgroup> found: Turn;
var<private> by: i32;

fn angle_of(j: u32) -> vec2<f32> {
  let size = u32(abs(by));
  let high = p.high + (size >> 8) * p.rotated + j;
  let low = p.low + (size & 255) * p.rotated + j;
  let half = p.rotated / 2;
  let a = vec2<f32>(load(high), load(high + half));
  let b = vec2<f32>(load(low), load(low + half));
  let sine = a.y * b.x + a.x * b.y;
  return vec2<f32>(a.x * b.x - a.y * b.y, select(sine, -sine, by < 0));
}

// Which row the workgroup turns, and by how much: not at all where there is none.
fn find(h: u32, i: u32) -> Turn {
  let count = kept_of(h);
  if (i >= count || count > length_of(h)) { return Turn(0, 0); }
  let start = start_of(h);
  let index = work[p.list + start - p.first + i];
  let row = start + index;
  let to = p.base - count + i;
  var before = p.end - length_of(h) + index;
  if (p.by_token == 1) { before = notes[token_at(row)]; }
  if (ROWS < 16) {
    before = notes[position_at(row)];
    notes[position_at(row)] = to;
  }
  return Turn(row, i32(to - before));
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  if (lane == 0) { found = find(index % p.heads, index / p.heads); }
  let turn_by = workgroupUniformLoad(&found);
  if (turn_by.shift == 0 || p.turns == 0) { return; }
  by = turn_by.shift;
  let scale = key_scale(turn_by.row);
  for (var j = 4 * lane; j < D; j += 4 * LANES) {
    let four = key4(turn_by.row, j, scale);
    for (var i = 0u; i < 4 && j + i < D; i++) { spin[j + i] = four[i]; }
  }
  if (ROWS < 16) { unrotate(1, lane, LANES); }
  turn(p.rotated / 2, p.pairs == 1, lane);
  store_row(false, turn_by.row, true, lane);
}
