// A matrix [m, k] of every expert, of which a buffer has rows `first` .. + `rows`, `step` of them an
// expert. Pair i is a token and one of its experts, ids[i]; it takes row i / share of x, and makes
// row i of y.
// uses: lib/work, lib/weights
override WEIGHT: u32;
struct Params {
  y: u32, y_columns: u32, x: u32, x_columns: u32, ids: u32, share: u32, count: u32,
  m: u32, step: u32, k: u32, first: u32, rows: u32, heads: u32, words: u32, tails: u32,
  scale: u32, bias: u32, order: u32, table: u32, tiles: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> weight: array<u32>;
@group(1) @binding(2) var<storage, read> scales: array<f32>;
@group(1) @binding(3) var<storage, read> biases: array<f32>;

const NONE: u32 = 0xffffffff; // no scales, no biases

fn stored(slot: u32, i: u32) -> u32 { return weight[i]; }
fn weight_here() -> Weight { return Weight(0, WEIGHT, p.heads, p.words, p.tails, p.k); }

// Where a row of an expert lies among those here; what is not here lies behind them.
fn row_here(expert: u32, row: u32) -> u32 { return expert * p.step + row - p.first; }
// The same, or some row where it is not here: what is made of it is left.
fn any_row(expert: u32, row: u32) -> u32 { return min(row_here(expert, row), p.rows - 1); }
fn x_row(pair: u32) -> u32 { return p.x + pair / p.share * p.x_columns; }

fn leave_row(pair: u32, expert: u32, row: u32, sum: f32) {
  if (row >= p.m || row_here(expert, row) >= p.rows) { return; }
  var y = sum;
  if (p.scale != NONE) { y *= scales[p.scale + expert]; }
  if (p.bias != NONE) { y += biases[p.bias + expert * p.m + row]; }
  store(p.y + pair * p.y_columns + row, y);
}
