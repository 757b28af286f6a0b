// The length of each row of some heads; or, where each head has a direction (of length 1, or 0),
// the cosine of key and direction. A lane has a row. Rows that are rotated are as long, and as far
// from a rotated direction.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rows
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  tiles: u32, to: u32, of_values: u32, directed: u32, directions: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> notes: array<u32>;
@group(1) @binding(2) var<storage, read> keys: array<u32>;
@group(1) @binding(3) var<storage, read> values: array<u32>;

const LANES: u32 = 64;

fn value_norm(row: u32) -> f32 {
  let scale = value_scale(row);
  var sum = 0.0;
  for (var j = 0u; j < D; j += 4) {
    let x = value4(row, j, scale);
    sum += dot(x, x);
  }
  return sqrt(sum);
}

fn key_norm(row: u32) -> f32 {
  let scale = key_scale(row);
  var sum = 0.0;
  for (var j = 0u; j < D; j += 4) {
    let x = key4(row, j, scale);
    sum += dot(x, x);
  }
  return sqrt(sum);
}

fn cosine(row: u32, h: u32) -> f32 {
  let scale = key_scale(row);
  let at = p.directions + h * D;
  var sum = 0.0;
  var squares = 0.0;
  for (var j = 0u; j < D; j += 4) {
    let x = key4(row, j, scale);
    for (var c = 0u; c < min(4, D - j); c++) { sum += x[c] * load(at + j + c); }
    squares += dot(x, x);
  }
  return select(0.0, sum / sqrt(squares), squares > 0);
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let h = index / p.tiles;
  if (h >= p.heads) { return; }
  let n = shown(h);
  for (var i = index % p.tiles * LANES + lane; i < n; i += p.tiles * LANES) {
    let row = start_of(h) + i;
    let to = p.to + place_of(h) + i;
    if (p.directed == 1) { store(to, cosine(row, h)); }
    else if (p.of_values == 1) { store(to, value_norm(row)); }
    else { store(to, key_norm(row)); }
  }
}
