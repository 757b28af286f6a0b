// Causal attention of a block: QUERIES queries (token by token, the query heads of a kv head beside
// each other) over tiles of rows, which all of them read together. Eight lanes share a query's
// scores of a tile; then lanes sum values by columns. Exponentials are of differences from the
// greatest score so far, and sums shrink when that grows. `looks`: the greatest score, and the sum
// of exponentials, over all rows but the last `look_unseen`, seen or not.
// uses: lib/index, lib/work, lib/heads, lib/rows, lib/hadamard, lib/cap, lib/sinks
override QUERIES: u32;
struct Params {
  rows: u32, head: u32, heads: u32, unseen: u32, q: u32, out: u32, group: u32, T: u32,
  tiles: u32, window: u32, scale: f32, leaves_looks: u32, looks: u32, look_unseen: u32,
  cap: f32, sinks: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read> keys: array<u32>;
@group(1) @binding(2) var<storage, read> values: array<u32>;
@group(1) @binding(3) var<storage, read> notes: array<u32>;
@group(1) @binding(4) var<storage, read> sinks: array<f32>;

const LANES: u32 = 128;
const EACH: u32 = 8; // lanes of a query
const TILE: u32 = 32; // rows
const PIECE: u32 = 32; // columns of keys at a time
const HIDDEN: f32 = -3e38; // finite, as in attend-one.wgsl
override QUADS: u32 = (D + 3) / 4;
override ABREAST: u32 = LANES / QUADS; // queries whose values are summed at a time
override NUMBERS: u32 = QUERIES * D;
override EXPS: u32 = QUERIES * TILE;

var<workgroup> spin: array<f32, NUMBERS>; // queries, then sums
var<workgroup> piece: array<f32, TILE * (PIECE + 1)>;
var<workgroup> exps: array<f32, EXPS>;
var<workgroup> parts: array<vec2<f32>, LANES>;
var<workgroup> shrink: array<f32, LANES / EACH>;
var<workgroup> place: vec2<u32>; // the head's first row, and how many are shown

// Greatest score and sum of exponentials of one more score.
fn with_score(seen: vec2<f32>, score: f32) -> vec2<f32> {
  let most = max(seen.x, score);
  return vec2<f32>(most, seen.y * exp(seen.x - most) + exp(score - most));
}

fn load_piece(row: u32, count: u32, column: u32, lane: u32) {
  for (var i = lane; i < TILE * PIECE / 4; i += LANES) {
    let r = i / (PIECE / 4);
    let c = i % (PIECE / 4) * 4;
    var four = vec4<f32>();
    if (r < count && column + c < D) { four = key4(row + r, column + c, key_scale(row + r)); }
    for (var e = 0u; e < 4; e++) { piece[r * (PIECE + 1) + c + e] = four[e]; }
  }
}

// Scores of the lane's query with rows lane % EACH, + EACH, .. of a tile.
fn scores_of(row: u32, count: u32, lane: u32) -> vec4<f32> {
  var scores = vec4<f32>();
  let query = min(lane / EACH, QUERIES - 1) * D;
  let first = lane % EACH * (PIECE + 1);
  for (var column = 0u; column < D; column += PIECE) {
    load_piece(row, count, column, lane);
    workgroupBarrier();
    for (var c = 0u; c < min(PIECE, D - column); c++) {
      let at = first + c;
      scores += spin[query + column + c] * vec4<f32>(
        piece[at], piece[at + EACH * (PIECE + 1)],
        piece[at + 2 * EACH * (PIECE + 1)], piece[at + 3 * EACH * (PIECE + 1)],
      );
    }
    workgroupBarrier();
  }
  return scores;
}

@compute @workgroup_size(128)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let h = index / p.tiles;
  if (h >= p.heads) { return; }
  let first_query = index % p.tiles * QUERIES;
  let last_query = min(p.T * p.group, first_query + QUERIES) - 1;
  for (var i = lane; i < QUERIES * D; i += LANES) {
    spin[i] = 0;
    if (first_query + i / D <= last_query) {
      spin[i] = load(p.q + number_of(first_query + i / D, h) * D + i % D) * p.scale;
    }
  }
  if (lane == 0) { place = vec2<u32>(start_of(h), length_of(h) - min(p.unseen, length_of(h))); }
  let at = workgroupUniformLoad(&place);
  if (ROWS < 16) { rotate(QUERIES, lane, LANES); }

  let before = at.y - min(p.T, at.y); // rows that are not the block's
  let number = first_query + lane / EACH;
  let own = before + min(number, last_query) / p.group;
  let token = notes[token_at(at.x + own)];
  let looked = select(0u, at.y - min(p.look_unseen, at.y), p.leaves_looks == 1);
  let first_own = before + first_query / p.group;
  let first = select(0u, first_own + 1 - min(p.window, first_own + 1), p.window > 0);
  let end = max(before + last_query / p.group + 1, looked);
  let quad = 4 * (lane % QUADS);
  var peak = HIDDEN;
  var total = 0.0;
  var looks = vec2<f32>(HIDDEN, 0.0);
  var sum: array<vec4<f32>, 8>;
  for (var tile = first; tile < end; tile += TILE) {
    let count = min(TILE, end - tile);
    var scores = scores_of(at.x + tile, count, lane);
    var sees: vec4<bool>;
    var most = HIDDEN;
    for (var i = 0u; i < 4; i++) {
      let row = tile + lane % EACH + i * EACH;
      scores[i] = capped(scores[i], p.cap);
      sees[i] = row <= own;
      if (sees[i] && p.window > 0) { sees[i] = notes[token_at(at.x + row)] + p.window > token; }
      if (sees[i]) { most = max(most, scores[i]); }
      if (row < looked) { looks = with_score(looks, scores[i]); }
    }
    parts[lane].x = most;
    workgroupBarrier();
    most = peak;
    for (var i = 0u; i < EACH; i++) { most = max(most, parts[lane / EACH * EACH + i].x); }
    let by = exp(peak - most);
    peak = most;
    total *= by;
    for (var i = 0u; i < 4; i++) {
      let e = select(0.0, exp(scores[i] - peak), sees[i]);
      total += e;
      if (lane / EACH < QUERIES) { exps[lane / EACH * TILE + lane % EACH + i * EACH] = e; }
    }
    if (lane % EACH == 0) { shrink[lane / EACH] = by; }
    workgroupBarrier();
    if (lane < ABREAST * QUADS) {
      var i = 0u;
      for (var q = lane / QUADS; q < QUERIES; q += ABREAST) {
        sum[i] *= shrink[q];
        i++;
      }
      for (var r = 0u; r < count; r++) {
        let value = value4(at.x + tile + r, quad, value_scale(at.x + tile + r));
        i = 0;
        for (var q = lane / QUADS; q < QUERIES; q += ABREAST) {
          sum[i] += exps[q * TILE + r] * value;
          i++;
        }
      }
    }
  }
  if (lane % EACH == 0) { total += sink_of(h * p.group + number % p.group, peak); }
  parts[lane].x = total;
  workgroupBarrier();
  if (lane < ABREAST * QUADS) {
    var i = 0u;
    for (var q = lane / QUADS; q < QUERIES; q += ABREAST) {
      var all = 0.0;
      for (var e = 0u; e < EACH; e++) { all += parts[q * EACH + e].x; }
      for (var e = 0u; e < 4 && quad + e < D; e++) { spin[q * D + quad + e] = sum[i][e] / all; }
      i++;
    }
  }
  workgroupBarrier();
  if (ROWS < 16) { unrotate(QUERIES, lane, LANES); }
  for (var i = lane; i < QUERIES * D && first_query + i / D <= last_query; i += LANES) {
    store(p.out + number_of(first_query + i / D, h) * D + i % D, spin[i]);
  }
  if (looked == 0) { return; }
  parts[lane] = looks;
  workgroupBarrier();
  if (lane % EACH > 0 || lane / EACH >= QUERIES || number > last_query) { return; }
  for (var i = 1u; i < EACH; i++) {
    let other = parts[lane + i];
    let most = max(looks.x, other.x);
    looks = vec2<f32>(most, looks.y * exp(looks.x - most) + other.y * exp(other.x - most));
  }
  let to = p.looks + h * 2 * p.T * p.group + number;
  store(to, looks.x);
  store(to + p.T * p.group, looks.y);
}

// A query of head h among those of its token, and of all tokens.
fn number_of(query: u32, h: u32) -> u32 {
  return (query / p.group * p.heads + h) * p.group + query % p.group;
}
