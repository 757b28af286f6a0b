// y[n, m] = x[n, k] W^T + bias, or y += that, 64 x 64 numbers a workgroup.
// uses: lib/index, lib/work, lib/weights, lib/product-tile
override WEIGHT: u32;
struct Params {
  y: u32, y_columns: u32, x: u32, x_columns: u32, n: u32, rows: u32, k: u32, bias: u32,
  heads: u32, words: u32, tails: u32, adds: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> weight: array<u32>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;

const NONE: u32 = 0xffffffff; // no bias
fn stored(slot: u32, i: u32) -> u32 { return weight[i]; }

fn x_part(row: u32, c: u32) -> vec4<f32> {
  return four_of(p.x + min(row, p.n - 1) * p.x_columns, c);
}
fn w_part(row: u32, c: u32) -> vec4<f32> {
  let w = Weight(0, WEIGHT, p.heads, p.words, p.tails, p.k);
  return weight4(w, min(row, p.rows - 1), c);
}
fn leave(n: u32, row: u32, sum: f32) {
  if (n >= p.n || row >= p.rows) { return; }
  let to = p.y + n * p.y_columns + row;
  var y = sum;
  if (p.bias != NONE) { y += bias[p.bias + row]; }
  if (p.adds == 1) { y += load(to); }
  store(to, y);
}

@compute @workgroup_size(128)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch);
  let tiles = (p.n + TILE - 1) / TILE;
  let first_row = i / tiles * TILE;
  if (first_row >= p.rows) { return; }
  multiply_tile(i % tiles * TILE, first_row, lane);
}
