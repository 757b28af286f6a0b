// Attention of one token's queries. A workgroup takes QUERIES query heads of a kv head over a share
// of its rows, tile by tile: a lane scores a row, then lanes sum values by columns. Exponentials
// are of differences from the greatest score so far, and sums shrink when that grows. Of several
// shares each leaves its sums, that score and the exponentials' sum for attend-join.wgsl.
// uses: lib/index, lib/work, lib/heads, lib/rows, lib/hadamard, lib/cap, lib/sinks
override QUERIES: u32;
struct Params {
  rows: u32, head: u32, heads: u32, unseen: u32, q: u32, out: u32, group: u32, chunks: u32,
  shares: u32, partial: u32, window: u32, scale: f32,
  cap: f32, sinks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> keys: array<u32>;
@group(1) @binding(2) var<storage, read> values: array<u32>;
@group(1) @binding(3) var<storage, read> notes: array<u32>;
@group(1) @binding(4) var<storage, read> sinks: array<f32>;

const LANES: u32 = 128; // and rows of a tile
const MOST: u32 = 8; // queries
const PARTS: u32 = 16; // lanes that reduce what a query has
const HIDDEN: f32 = -3e38; // finite: differences of infinities are NaN, or anything
override QUADS: u32 = (D + 3) / 4;
override NUMBERS: u32 = QUERIES * D + 4;
override LOOKS: u32 = QUERIES * LANES;

var<workgroup> spin: array<f32, NUMBERS>; // queries, then sums
var<workgroup> looks: array<f32, LOOKS>; // scores of a tile, then their exponentials
var<workgroup> parts: array<f32, LANES>;
var<workgroup> peaks: array<f32, MOST>;
var<workgroup> shrink: array<f32, MOST>;
var<workgroup> sums: array<vec4<f32>, LANES>;
var<workgroup> place: vec2<u32>; // the head's first row, and how many are shown
var<private> totals: array<f32, MOST>; // of a lane's exponentials

fn query4(g: u32, j: u32) -> vec4<f32> {
  let i = g * D + j;
  return vec4<f32>(spin[i], spin[i + 1], spin[i + 2], spin[i + 3]);
}

// Scores of the lane's row become exponentials, for as many rows as can be seen.
fn look(row: u32, sees: bool, lane: u32) {
  var scores: array<f32, MOST>;
  if (sees) {
    let scale = key_scale(row);
    for (var j = 0u; j < D; j += 4) {
      let key = key4(row, j, scale);
      for (var g = 0u; g < QUERIES; g++) { scores[g] += dot(key, query4(g, j)); }
    }
  }
  for (var g = 0u; g < QUERIES; g++) {
    scores[g] = capped(scores[g], p.cap);
    looks[g * LANES + lane] = select(HIDDEN, scores[g], sees);
  }
  workgroupBarrier();
  let own = lane / PARTS;
  if (own < QUERIES) {
    var most = HIDDEN;
    for (var i = lane % PARTS; i < LANES; i += PARTS) { most = max(most, looks[own * LANES + i]); }
    parts[lane] = most;
  }
  workgroupBarrier();
  if (lane < QUERIES) {
    var most = peaks[lane];
    for (var i = 0u; i < PARTS; i++) { most = max(most, parts[lane * PARTS + i]); }
    shrink[lane] = exp(peaks[lane] - most);
    peaks[lane] = most;
  }
  workgroupBarrier();
  for (var g = 0u; g < QUERIES; g++) {
    let e = select(0.0, exp(scores[g] - peaks[g]), sees);
    looks[g * LANES + lane] = e;
    totals[g] = totals[g] * shrink[g] + e;
  }
  workgroupBarrier();
}

// The sum of all lanes' exponentials of a query, by parts.
fn total_of(g: u32) -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < PARTS; i++) { sum += parts[g * PARTS + i]; }
  return sum;
}
fn add_totals(lane: u32) {
  for (var g = 0u; g < QUERIES; g++) { looks[g * LANES + lane] = totals[g]; }
  workgroupBarrier();
  let own = lane / PARTS;
  if (own < QUERIES) {
    var sum = 0.0;
    for (var i = lane % PARTS; i < LANES; i += PARTS) { sum += looks[own * LANES + i]; }
    parts[lane] = sum;
  }
  workgroupBarrier();
}

@compute @workgroup_size(128)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let share = index % p.shares;
  let chunk = index / p.shares % p.chunks;
  let h = index / p.shares / p.chunks;
  if (h >= p.heads) { return; }
  let query = h * p.group + chunk * QUERIES;
  let count = min(QUERIES, p.group - chunk * QUERIES);
  for (var i = lane; i < QUERIES * D; i += LANES) {
    spin[i] = 0;
    if (i < count * D) { spin[i] = load(p.q + query * D + i) * p.scale; }
  }
  if (lane < MOST) { peaks[lane] = HIDDEN; }
  if (lane == 0) { place = vec2<u32>(start_of(h), length_of(h) - min(p.unseen, length_of(h))); }
  let at = workgroupUniformLoad(&place);
  if (ROWS < 16) { rotate(QUERIES, lane, LANES); }

  let first = select(0u, at.y - min(p.window, at.y), p.window > 0);
  let each = (at.y - first + p.shares - 1) / p.shares;
  let begin = min(at.y, first + share * each);
  let end = min(at.y, begin + each);
  let hidden = notes[token_at(at.x + max(at.y, 1) - 1)]; // less the window: what it does not see
  let quad = 4 * (lane % QUADS);
  var sum: array<vec4<f32>, MOST>;
  for (var tile = begin; tile < end; tile += LANES) {
    let row = at.x + tile + lane;
    var sees = tile + lane < end;
    if (sees && p.window > 0) { sees = notes[token_at(row)] + p.window > hidden; }
    look(row, sees, lane);
    for (var g = 0u; g < QUERIES; g++) { sum[g] *= shrink[g]; }
    let rows = select(0u, min(LANES, end - tile), lane < LANES / QUADS * QUADS);
    for (var r = lane / QUADS; r < rows; r += LANES / QUADS) {
      let value = value4(at.x + tile + r, quad, value_scale(at.x + tile + r));
      for (var g = 0u; g < QUERIES; g++) { sum[g] += looks[g * LANES + r] * value; }
    }
    workgroupBarrier();
  }
  add_totals(lane);
  for (var g = 0u; g < QUERIES; g++) {
    sums[lane] = sum[g];
    workgroupBarrier();
    if (lane < QUADS) {
      var whole = sums[lane];
      for (var i = lane + QUADS; i < LANES / QUADS * QUADS; i += QUADS) { whole += sums[i]; }
      if (p.shares == 1) { whole /= total_of(g) + sink_of(query + min(g, count - 1), peaks[g]); }
      for (var i = 0u; i < 4 && quad + i < D; i++) { spin[g * D + quad + i] = whole[i]; }
    }
    workgroupBarrier();
  }
  if (p.shares > 1) {
    let all = p.heads * p.group;
    for (var g = 0u; g < count; g++) {
      let to = p.partial + (share * all + query + g) * (D + 2);
      for (var j = lane; j < D; j += LANES) { store(to + j, spin[g * D + j]); }
      if (lane == 0) {
        store(to + D, peaks[g]);
        store(to + D + 1, total_of(g));
      }
    }
    return;
  }
  if (ROWS < 16) { unrotate(QUERIES, lane, LANES); }
  for (var i = lane; i < count * D; i += LANES) { store(p.out + query * D + i, spin[i]); }
}
