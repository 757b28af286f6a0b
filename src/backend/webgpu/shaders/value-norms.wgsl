// What values become in the output, mean over a kv head's query heads g of norm1(v Wo_g), as the
// state of their rows; only of rows that have none yet, from the one on that `known` says of each
// head. A workgroup has some rows, a lane every 64th row of the output projection. Where the
// projection lies in several buffers, those behind the first add to it.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rows, lib/hadamard, lib/weights
override WEIGHT: u32;
override COUNT: u32; // rows of a workgroup, of D numbers each
override NUMBERS: u32 = COUNT * D;
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  tiles: u32, known: u32, group: u32, weight_rows: u32, columns: u32,
  weight_heads: u32, words: u32, tails: u32, adds: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> notes: array<u32>;
@group(1) @binding(2) var<storage, read> keys: array<u32>;
@group(1) @binding(3) var<storage, read> values: array<u32>;
@group(1) @binding(4) var<storage, read> weight: array<u32>;

const LANES: u32 = 64;
const MOST: u32 = 16;
var<workgroup> spin: array<f32, NUMBERS>;
var<workgroup> norms: array<array<f32, MOST>, LANES>;
var<workgroup> begin: u32;

fn stored(slot: u32, i: u32) -> u32 { return weight[i]; }

// Numbers j .. j + 3 of row m of query head `query`'s part of the projection.
fn weights_of(m: u32, query: u32, j: u32) -> vec4<f32> {
  let w = Weight(0, WEIGHT, p.weight_heads, p.words, p.tails, p.columns);
  let c = query * D + j;
  let four = weight4(w, m, c & ~3u);
  if (D % 4 == 0) { return four; }
  // a head begins between two fours
  let next = weight4(w, m, (c & ~3u) + 4);
  var moved: vec4<f32>;
  for (var i = 0u; i < 4; i++) {
    let at = c % 4 + i;
    moved[i] = select(next[at & 3], four[at & 3], at < 4);
  }
  return moved;
}

fn value_of(i: u32, j: u32) -> vec4<f32> {
  let at = i * D + j;
  let x = vec4<f32>(spin[at], spin[at + 1], spin[at + 2], spin[at + 3]);
  return select(vec4<f32>(), x, vec4<u32>(j, j + 1, j + 2, j + 3) < vec4<u32>(D));
}

// Values of `count` rows as they are meant; zeros behind them.
fn bring(row: u32, count: u32, lane: u32) {
  let quads = (D + 3) / 4;
  for (var i = lane; i < COUNT * quads; i += LANES) {
    let own = i / quads;
    let j = i % quads * 4;
    var x = vec4<f32>();
    if (own < count) { x = value4(row + own, j, value_scale(row + own)); }
    for (var c = 0u; c < min(4, D - j); c++) { spin[own * D + j + c] = x[c]; }
  }
  workgroupBarrier();
  if (ROWS < 16) { unrotate(COUNT, lane, LANES); }
}

fn add_norms(m: u32, query: u32, lane: u32) {
  var sums: array<f32, MOST>;
  for (var j = 0u; j < D; j += 4) {
    let four = weights_of(m, query, j);
    for (var i = 0u; i < COUNT; i++) { sums[i] += dot(four, value_of(i, j)); }
  }
  for (var i = 0u; i < COUNT; i++) { norms[lane][i] += abs(sums[i]); }
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  if (index >= p.heads * p.tiles) { return; }
  let h = index / p.tiles;
  if (lane == 0) { begin = u32(load(p.known + h)) + index % p.tiles * COUNT; }
  let first = workgroupUniformLoad(&begin);
  if (lane == 0) { begin = shown(h); }
  let n = workgroupUniformLoad(&begin);
  if (first >= n) { return; }
  let row = start_of(h) + first;
  bring(row, n - first, lane);
  for (var m = lane; m < p.weight_rows; m += LANES) {
    for (var g = 0u; g < p.group; g++) { add_norms(m, h * p.group + g, lane); }
  }
  workgroupBarrier();
  if (lane >= COUNT || first + lane >= n) { return; }
  var sum = 0.0;
  for (var i = 0u; i < LANES; i++) { sum += norms[i][lane]; }
  let to = state_at(row + lane);
  let before = select(0.0, bitcast<f32>(notes[to]), p.adds == 1);
  notes[to] = bitcast<u32>(before + sum / f32(p.group));
}
