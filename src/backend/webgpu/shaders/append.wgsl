// Queries and keys of T new tokens are normed, turned and scaled, head by head, and keys and values
// stored as rows behind those that a head has. A workgroup a head of queries, or a head of keys and
// values, of a token. One token's heads are then longer (`grows`); more tokens' by grow.wgsl.
// uses: lib/index, lib/fault, lib/positions, lib/room, lib/spin
struct Params {
  rows: u32, head: u32, all_heads: u32, last: u32, end: u32, layer: u32,
  T: u32, query_heads: u32, kv_heads: u32, q: u32, k: u32, v: u32, steps: u32,
  q_norm: u32, k_norm: u32, eps: f32, angles: u32, rotated: u32, query_scale: f32,
  token: u32, position: u32, grows: u32,
  query_angles: u32, query_rotated: u32, query_weight: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> keys: array<u32>;
@group(1) @binding(2) var<storage, read_write> values: array<u32>;
@group(1) @binding(3) var<storage, read_write> notes: array<u32>;
@group(1) @binding(4) var<storage, read> q_norm: array<f32>;
@group(1) @binding(5) var<storage, read> k_norm: array<f32>;
@group(1) @binding(6) var<storage, read> query_weight: array<f32>;

// Bits of `steps`.
const NORMS_Q: u32 = 1;
const NORMS_K: u32 = 2;
const NORMS_V: u32 = 4;
const TURNS_Q: u32 = 8;
const PAIRS_Q: u32 = 16;
const TURNS_K: u32 = 32;
const PAIRS_K: u32 = 64;
const WEIGHS_Q: u32 = 128;
const SCALES_Q: u32 = 256;
fn has(step: u32) -> bool { return (p.steps & step) != 0; }

// Where a token's angles begin, and how many there are.
var<private> first_angle: u32;
var<private> angles: u32;
fn angle_of(j: u32) -> vec2<f32> {
  return vec2<f32>(load(first_angle + j), load(first_angle + angles + j));
}
fn turn_by(first: u32, rotated: u32, t: u32, pairs: bool, lane: u32) {
  first_angle = first + t * rotated;
  angles = rotated / 2;
  turn(angles, pairs, lane);
}

fn take(at: u32, lane: u32) {
  for (var j = lane; j < D; j += LANES) { spin[j] = load(at + j); }
  workgroupBarrier();
}

// What the mean square makes of each number.
fn norm_by(lane: u32) -> f32 {
  var sum = 0.0;
  for (var j = lane; j < D; j += LANES) { sum += spin[j] * spin[j]; }
  return 1.0 / sqrt(gather(vec2<f32>(sum, 0.0), lane).x / f32(D) + p.eps);
}

fn make_query(at: u32, t: u32, lane: u32) {
  take(at, lane);
  if (has(NORMS_Q)) {
    let by = norm_by(lane);
    for (var j = lane; j < D; j += LANES) { spin[j] = spin[j] * by * q_norm[p.q_norm + j]; }
  }
  if (has(TURNS_Q)) { turn_by(p.query_angles, p.query_rotated, t, has(PAIRS_Q), lane); }
  let by = select(1.0, p.query_scale, has(SCALES_Q));
  for (var j = lane; j < D; j += LANES) {
    var x = spin[j];
    if (has(WEIGHS_Q)) { x *= query_weight[p.query_weight + j]; }
    store(at + j, x * by);
  }
}

fn make_key(at: u32, t: u32, lane: u32) {
  take(at, lane);
  if (has(NORMS_K)) {
    let by = norm_by(lane);
    for (var j = lane; j < D; j += LANES) { spin[j] = spin[j] * by * k_norm[p.k_norm + j]; }
  }
  if (has(TURNS_K)) { turn_by(p.angles, p.rotated, t, has(PAIRS_K), lane); }
}

fn make_value(at: u32, lane: u32) {
  take(at, lane);
  if (!has(NORMS_V)) { return; }
  let by = norm_by(lane);
  for (var j = lane; j < D; j += LANES) { spin[j] *= by; }
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let heads = p.query_heads + p.kv_heads;
  let t = index / heads;
  let i = index % heads;
  if (t >= p.T) { return; }
  if (i < p.query_heads) {
    make_query(p.q + (t * p.query_heads + i) * D, t, lane);
    return;
  }
  let h = i - p.query_heads;
  let own = (t * p.kv_heads + h) * D;
  let length = length_of(h);
  let fits = room_of(h) >= p.T;
  let row = start_of(h) + length + t;
  make_key(p.k + own, t, lane);
  store_row(false, row, fits, lane);
  make_value(p.v + own, lane);
  store_row(true, row, fits, lane);
  storageBarrier(); // all have read how long the head was
  if (lane > 0) { return; }
  if (!fits) {
    raise(NO_ROOM, vec4<u32>(p.layer, h, p.T, room_of(h)));
    return;
  }
  notes[token_at(row)] = p.token + t;
  notes[state_at(row)] = 0;
  if (ROWS < 16) { notes[position_at(row)] = p.position + t; }
  if (p.grows == 1) { notes[head_at(h) + 1] = length + 1; }
}
