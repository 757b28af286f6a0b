// The mean of a head's `count` queries / sqrt(D), and of products of what they differ from it by:
// [mean | covariance] of each query head, [1 + D][D]. A workgroup has 16 rows and 16 columns.
// uses: lib/index, lib/work
override D: u32;
struct Params { to: u32, queries: u32, columns: u32, count: u32, heads: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const SIDE: u32 = 16;
const LANES: u32 = 256;
// queries at hand: their numbers of the rows, and of the columns
var<workgroup> above: array<array<f32, SIDE>, SIDE>;
var<workgroup> beside: array<array<f32, SIDE>, SIDE>;
var<workgroup> row_means: array<f32, SIDE>;
var<workgroup> column_means: array<f32, SIDE>;

fn number(query: u32, h: u32, j: u32) -> f32 {
  if (j >= D || query >= p.count) { return 0.0; }
  return load(p.queries + query * p.columns + h * D + j) / sqrt(f32(D));
}
fn mean(h: u32, j: u32) -> f32 {
  var sum = 0.0;
  for (var q = 0u; q < p.count; q++) { sum += number(q, h, j); }
  return sum / f32(p.count);
}

@compute @workgroup_size(256)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let sides = (D + SIDE - 1) / SIDE;
  let h = index / (sides * sides);
  if (h >= p.heads) { return; }
  let row = index / sides % sides * SIDE;
  let column = index % sides * SIDE;
  let i = lane / SIDE;
  let j = lane % SIDE;
  if (lane < SIDE) { row_means[lane] = mean(h, row + lane); }
  if (lane >= LANES - SIDE) { column_means[j] = mean(h, column + j); }
  workgroupBarrier();
  var sum = 0.0;
  for (var q = 0u; q < p.count; q += SIDE) {
    above[i][j] = select(0.0, number(q + i, h, row + j) - row_means[j], q + i < p.count);
    beside[i][j] = select(0.0, number(q + i, h, column + j) - column_means[j], q + i < p.count);
    workgroupBarrier();
    for (var k = 0u; k < SIDE; k++) { sum += above[k][i] * beside[k][j]; }
    workgroupBarrier();
  }
  let to = p.to + h * (D + 1) * D;
  if (row + i < D && column + j < D) {
    store(to + (1 + row + i) * D + column + j, sum / f32(p.count));
  }
  if (row == 0 && i == 0 && column + j < D) { store(to + column + j, column_means[j]); }
}
