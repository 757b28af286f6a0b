// Looks at the rows of a head as one number a row: their mean over queries, or the largest, each
// averaged over `size` neighbours before. A workgroup has 32 rows, those at the ends only as
// neighbours, and goes through all queries. What looks sum up to is known (look-sums.wgsl):
// [heads][splits][fields][queries], fields m, S or m, S, B, C.
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rows, lib/tile, lib/observers, lib/cap, lib/sinks
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  queries: u32, columns: u32, count: u32, group: u32, causal: u32, size: u32,
  sums: u32, splits: u32, fields: u32, tiles: u32, largest: u32, to: u32,
  cap: f32, sinks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> notes: array<u32>;
@group(1) @binding(2) var<storage, read> keys: array<u32>;
@group(1) @binding(3) var<storage, read> values: array<u32>;
@group(1) @binding(4) var<storage, read> sinks: array<f32>;

var<private> own_head: u32;
var<workgroup> length: u32;
// m of a query, and what its looks are divided by
var<workgroup> known: array<vec2<f32>, TILE>;
// looks of each query at each row, a number apart so that lanes meet no common bank
var<workgroup> looks: array<array<f32, 33>, TILE>;
var<workgroup> halves: array<f32, LANES>;

fn vector_at(q: u32) -> u32 { return query_at(own_head, q); }

fn know(q: u32, total: u32) -> vec2<f32> {
  if (q >= total) { return vec2<f32>(0.0, 1.0); }
  let at = p.sums + own_head * p.splits * p.fields * total + q;
  var m = -3e38;
  var sums = vec3<f32>();
  for (var s = 0u; s < p.splits; s++) {
    let part = at + s * p.fields * total;
    var own = vec3<f32>(load(part + total), 0.0, 0.0);
    if (p.fields == 4) { own = vec3<f32>(own.x, load(part + 2 * total), load(part + 3 * total)); }
    let most = max(m, load(part));
    sums = sums * exp(m - most) + own * exp(load(part) - most);
    m = most;
  }
  sums.x += sink_of(own_head * p.group + q % p.group, m);
  // smoothed looks are scaled to the sum that they had
  let mass = select(sums.x, sums.x * sums.z / sums.y, p.size > 1 && sums.y > 0);
  return vec2<f32>(m, mass);
}

// leaves looks of 32 queries at 32 rows
fn look(row: u32, n: u32, rated: u32, query: u32, total: u32, lane: u32) {
  if (lane < TILE) { known[lane] = know(query + lane, total); }
  let logits = products(start_of(own_head) + row, n - row, query, total - query, lane);
  let by = 1.0 / sqrt(f32(D));
  for (var b = 0u; b < 4; b++) {
    let q = lane % 8 + 8 * b;
    let seen = select(0u, min(rated, seen_by(query + q, n)), query + q < total);
    for (var a = 0u; a < 4; a++) {
      let i = lane / 8 + 8 * a;
      let look = exp(capped(logits[a][b] * by, p.cap) - known[q].x) / known[q].y;
      looks[q][i] = select(0.0, look, row + i < seen);
    }
  }
  workgroupBarrier();
}

// what a query's looks at a row and its neighbours are worth; none beyond the tile's first row are
// wanted but those before the head's first
fn smoothed(q: u32, i: u32) -> f32 {
  let half = p.size / 2;
  var sum = 0.0;
  for (var j = i - min(i, half); j <= min(TILE - 1, i + half); j++) { sum += looks[q][j]; }
  return sum / f32(p.size);
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let total = p.count * p.group;
  let index = group_index(dispatch);
  if (index >= p.heads * p.tiles) { return; }
  own_head = index / p.tiles;
  let half = p.size / 2;
  let stride = TILE - 2 * half;
  let first = index % p.tiles * stride;
  if (lane == 0) { length = scored(own_head); }
  let rated = workgroupUniformLoad(&length);
  if (first >= rated) { return; }
  let row = first - min(first, half);
  let n = shown(own_head);
  // a lane has a row, and every other 16 queries
  let i = lane % TILE;
  var result = 0.0;
  for (var query = 0u; query < total; query += TILE) {
    look(row, n, rated, query, total, lane);
    for (var q = lane / TILE * 16; q < lane / TILE * 16 + 16; q++) {
      let worth = smoothed(q, i);
      result = select(result + worth, max(result, worth), p.largest == 1);
    }
  }
  halves[lane] = result;
  workgroupBarrier();
  if (lane >= TILE || row + i < first || row + i >= min(rated, first + stride)) { return; }
  let other = halves[lane + TILE];
  let mean = (result + other) / f32(total);
  store(p.to + place_of(own_head) + row + i, select(mean, max(result, other), p.largest == 1));
}
