// y[i] = W[ids[i]], four numbers a lane. A weight of several buffers goes buffer by buffer: rows
// that lie elsewhere are left alone.
// uses: lib/index, lib/work, lib/weights
override WEIGHT: u32;
struct Params {
  y: u32, columns: u32, ids: u32, count: u32, first: u32, rows: u32,
  heads: u32, words: u32, tails: u32, k: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> weight: array<u32>;

fn stored(slot: u32, i: u32) -> u32 { return weight[i]; }

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let fours = (p.k + 3) / 4;
  let i = group_index(dispatch) * 64 + lane;
  let token = i / fours;
  let c = i % fours * 4;
  if (token >= p.count) { return; }
  let row = work[p.ids + token] - p.first;
  if (row >= p.rows) { return; }
  let numbers = weight4(Weight(0, WEIGHT, p.heads, p.words, p.tails, p.k), row, c);
  for (var j = 0u; j < min(4, p.k - c); j++) { store(p.y + token * p.columns + c + j, numbers[j]); }
}
