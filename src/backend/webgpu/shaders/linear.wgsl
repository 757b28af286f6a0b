// y[n, m] = x[n, k] W^T + bias, or y += that: a workgroup makes 64 x 64 numbers, a lane 4 rows of x
// times 8 of W. Both go by 8 columns through the workgroup's memory, four columns a vec4.
// uses: lib/index, lib/work, lib/weights
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
const TILE: u32 = 64;
var<workgroup> xs: array<vec4<f32>, TILE * 2>;
var<workgroup> ws: array<vec4<f32>, TILE * 2>;

// Where four q of a row lies: lanes that read the same four of eight rows read from all banks.
fn place(row: u32, q: u32) -> u32 { return row * 2 + (q ^ (row / 4 % 2)); }

// Rows of W, eight apart.
fn four_rows(at: u32) -> mat4x4<f32> {
  return transpose(mat4x4<f32>(ws[at], ws[at + 16], ws[at + 32], ws[at + 48]));
}

fn stored(slot: u32, i: u32) -> u32 { return weight[i]; }

// Numbers c .. c + 3 of a row of x: zeros behind its end.
fn x4(row: u32, c: u32) -> vec4<f32> {
  let i = p.x + row * p.x_columns + c;
  let x = vec4<f32>(load(i), load(i + 1), load(i + 2), load(i + 3));
  return select(vec4<f32>(), x, vec4<u32>(c, c + 1, c + 2, c + 3) < vec4<u32>(p.k));
}

@compute @workgroup_size(128)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let i = group_index(dispatch);
  let tiles = (p.n + TILE - 1) / TILE;
  let first = i % tiles * TILE;
  let first_row = i / tiles * TILE;
  if (first_row >= p.rows) { return; }
  let w = Weight(0, WEIGHT, p.heads, p.words, p.tails, p.k);
  let token = lane / 8; // and those 16, 32, 48 behind it
  let row = lane % 8; // and those 8, 16 .. 56 behind it
  var low = mat4x4<f32>(); // a column a token, of the first four rows
  var high = mat4x4<f32>();
  let at = place(lane / 2, lane % 2); // what a lane brings
  for (var k = 0u; k < p.k; k += 8) {
    let c = k + lane % 2 * 4;
    xs[at] = x4(min(first + lane / 2, p.n - 1), c);
    ws[at] = weight4(w, min(first_row + lane / 2, p.rows - 1), c);
    workgroupBarrier();
    for (var q = 0u; q < 2; q++) {
      let x_at = place(token, q); // places repeat every 8 rows
      let w_at = place(row, q);
      let x = mat4x4<f32>(xs[x_at], xs[x_at + 32], xs[x_at + 64], xs[x_at + 96]);
      low += four_rows(w_at) * x;
      high += four_rows(w_at + 64) * x;
    }
    workgroupBarrier();
  }
  for (var t = 0u; t < 4; t++) {
    let n = first + token + 16 * t;
    if (n >= p.n) { break; }
    store4(n, first_row + row, low[t]);
    store4(n, first_row + row + 32, high[t]);
  }
}

// Numbers of a token: those of rows m, m + 8, m + 16, m + 24.
fn store4(n: u32, m: u32, sums: vec4<f32>) {
  for (var j = 0u; j < 4; j++) {
    let row = m + 8 * j;
    if (row >= p.rows) { break; }
    let to = p.y + n * p.y_columns + row;
    var y = sums[j];
    if (p.bias != NONE) { y += bias[p.bias + row]; }
    if (p.adds == 1) { y += load(to); }
    store(to, y);
  }
}
