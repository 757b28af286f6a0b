// What queries' looks at the rows of a head sum up to: the largest logit m, the sum S of
// exp(logit - m) over all rows that a query sees, and over those that get scores its sum B, and the
// sum C that smoothing would leave of it. A workgroup has 32 queries and one of `splits` parts of a
// head's rows, and leaves [heads][splits][m, S, B, C][queries].
// uses: lib/index, lib/work, lib/heads, lib/scores, lib/rows, lib/tile, lib/observers, lib/cap
struct Params {
  rows: u32, head: u32, heads: u32, first: u32, unseen: u32, unscored: u32,
  queries: u32, columns: u32, count: u32, group: u32, causal: u32, size: u32,
  sums: u32, splits: u32, cap: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> notes: array<u32>;
@group(1) @binding(2) var<storage, read> keys: array<u32>;
@group(1) @binding(3) var<storage, read> values: array<u32>;

const LEAST: f32 = -3e38; // finite, as in attend-one.wgsl
var<private> own_head: u32;
var<workgroup> length: u32;
// logits of each query at each row, a number apart so that lanes meet no common bank
var<workgroup> logits: array<array<f32, 33>, TILE>;
var<workgroup> halves: array<vec4<f32>, TILE>;

fn vector_at(q: u32) -> u32 { return query_at(own_head, q); }

// sums m, S, B, C of two sets of rows, as sums of both
fn joined(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  let most = max(a.x, b.x);
  return vec4<f32>(most, a.yzw * exp(a.x - most) + b.yzw * exp(b.x - most));
}

// what row i adds to the sums of a query that sees it, where `rated` rows have scores
fn sums_of(i: u32, logit: f32, rated: u32) -> vec4<f32> {
  if (i >= rated) { return vec4<f32>(logit, 1.0, 0.0, 0.0); }
  // smoothing leaves as much of it as there are rows around it
  let half = p.size / 2;
  let around = min(i + half, rated - 1) - (i - min(i, half)) + 1;
  return vec4<f32>(logit, 1.0, 1.0, f32(around) / f32(p.size));
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let total = p.count * p.group;
  let tiles = (total + TILE - 1) / TILE;
  let index = group_index(dispatch);
  if (index >= p.heads * p.splits * tiles) { return; }
  let tile = index % tiles * TILE;
  let split = index / tiles % p.splits;
  own_head = index / tiles / p.splits;
  if (lane == 0) { length = shown(own_head); }
  let n = workgroupUniformLoad(&length);
  let rated = scored(own_head);
  let span = (n + p.splits * TILE - 1) / (p.splits * TILE) * TILE;
  let by = 1.0 / sqrt(f32(D));
  // a lane has a query, and every other 16 rows
  let q = lane % TILE;
  let seen = seen_by(tile + q, n);
  var sums = vec4<f32>(LEAST, 0.0, 0.0, 0.0);
  for (var row = split * span; row < min(n, (split + 1) * span); row += TILE) {
    let found = products(start_of(own_head) + row, n - row, tile, total - tile, lane);
    for (var a = 0u; a < 4; a++) {
      let i = lane / 8 + 8 * a;
      for (var b = 0u; b < 4; b++) {
        logits[lane % 8 + 8 * b][i] = capped(found[a][b] * by, p.cap);
      }
    }
    workgroupBarrier();
    for (var i = lane / TILE * 16; i < lane / TILE * 16 + 16; i++) {
      if (row + i < seen) { sums = joined(sums, sums_of(row + i, logits[q][i], rated)); }
    }
  }
  if (lane >= TILE) { halves[q] = sums; }
  workgroupBarrier();
  if (lane >= TILE || tile + q >= total) { return; }
  let all = joined(sums, halves[q]);
  let at = p.sums + (own_head * p.splits + split) * 4 * total + tile + q;
  for (var i = 0u; i < 4; i++) { store(at + i * total, all[i]); }
}
