// Queries and keys of T new tokens are normed, turned and scaled, head by head, and keys and values
// stored as rows behind those that a head has. A workgroup a head of queries, or a head of keys and
// values, of a token. One token's heads are then longer (`grows`); more tokens' by grow.wgsl.
// uses: lib/index, lib/fault, lib/positions, lib/room, lib/spin
struct Params {
  rows: u32, head: u32, all_heads: u32, last: u32, end: u32, layer: u32,
  T: u32, query_heads: u32, kv_heads: u32, q: u32, k: u32, v: u32, steps: u32,
  q_norm: u32, k_norm: u32, eps: f32, angles: u32, rotated: u32, query_scale: f32,
  token: u32, position: u32, grows: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;
@group(1) @binding(1) var<storage, read_write> keys: array<u32>;
@group(1) @binding(2) var<storage, read_write> values: array<u32>;
@group(1) @binding(3) var<storage, read_write> notes: array<u32>;
@group(1) @binding(4) var<storage, read> q_norm: array<f32>;
@group(1) @binding(5) var<storage, read> k_norm: array<f32>;

// Bits of `steps`.
const NORMS_Q: u32 = 1;
const NORMS_K: u32 = 2;
const TURNS: u32 = 4;
const PAIRS: u32 = 8;
const SCALES: u32 = 16;

var<private> first_angle: u32;
fn angle_of(j: u32) -> vec2<f32> {
  return vec2<f32>(load(first_angle + j), load(first_angle + p.rotated / 2 + j));
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

fn make_query(at: u32, lane: u32) {
  take(at, lane);
  if ((p.steps & NORMS_Q) != 0) {
    let by = norm_by(lane);
    for (var j = lane; j < D; j += LANES) { spin[j] = spin[j] * by * q_norm[p.q_norm + j]; }
  }
  if ((p.steps & TURNS) != 0) { turn(p.rotated / 2, (p.steps & PAIRS) != 0, lane); }
  let by = select(1.0, p.query_scale, (p.steps & SCALES) != 0);
  for (var j = lane; j < D; j += LANES) { store(at + j, spin[j] * by); }
}

fn make_key(at: u32, lane: u32) {
  take(at, lane);
  if ((p.steps & NORMS_K) != 0) {
    let by = norm_by(lane);
    for (var j = lane; j < D; j += LANES) { spin[j] = spin[j] * by * k_norm[p.k_norm + j]; }
  }
  if ((p.steps & TURNS) != 0) { turn(p.rotated / 2, (p.steps & PAIRS) != 0, lane); }
}

@compute @workgroup_size(64)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let index = group_index(dispatch);
  let heads = p.query_heads + p.kv_heads;
  let t = index / heads;
  let i = index % heads;
  if (t >= p.T) { return; }
  first_angle = p.angles + t * p.rotated;
  if (i < p.query_heads) {
    make_query(p.q + (t * p.query_heads + i) * D, lane);
    return;
  }
  let h = i - p.query_heads;
  let own = (t * p.kv_heads + h) * D;
  let length = length_of(h);
  let fits = room_of(h) >= p.T;
  let row = start_of(h) + length + t;
  make_key(p.k + own, lane);
  store_row(false, row, fits, lane);
  take(p.v + own, lane);
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
