// A token's experts and what they weigh (Experts.route()), a workgroup a token. Logits become what
// all experts would weigh, but for a sum. A shader says whether there are biases, BIASED, and what
// they are: bias_of(e).
// uses: lib/index, lib/work, lib/rank
override BY: u32; // softmax, sigmoid, the chosen
struct Params {
  ids: u32, weights: u32, logits: u32, bias: u32, tokens: u32, experts: u32, used: u32,
  renormalise: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const LEAST_SUM: f32 = 0.00006103515625;
const LANES: u32 = 64;
var<workgroup> sums: array<f32, LANES>;
var<workgroup> ranks: array<u32, LANES>;
var<workgroup> places: array<u32, LANES>;

// The sum, or the largest, of what lanes have.
fn joined(own: f32, largest: bool, lane: u32) -> f32 {
  workgroupBarrier();
  sums[lane] = own;
  workgroupBarrier();
  var all = sums[0];
  for (var i = 1u; i < LANES; i++) { all = select(all + sums[i], max(all, sums[i]), largest); }
  return all;
}

// The best of what lanes have: the greater rank, then the lower expert.
fn best_of(rank: u32, e: u32, lane: u32) -> vec2<u32> {
  workgroupBarrier();
  ranks[lane] = rank;
  places[lane] = e;
  workgroupBarrier();
  var best = vec2<u32>(ranks[0], places[0]);
  for (var i = 1u; i < LANES; i++) {
    let other = vec2<u32>(ranks[i], places[i]);
    if (is_before(other, best)) { best = other; }
  }
  return best;
}
fn is_before(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x > b.x || (a.x == b.x && a.y < b.y);
}

// Logits of a token become exp(logit - largest), or their sigmoids; what they add up to, or 1.
fn weigh(first: u32, lane: u32) -> f32 {
  if (BY == 1) {
    for (var e = lane; e < p.experts; e += LANES) {
      store(first + e, 1.0 / (1.0 + exp(-load(first + e))));
    }
    return 1.0;
  }
  var most = load(first);
  for (var e = lane; e < p.experts; e += LANES) { most = max(most, load(first + e)); }
  most = joined(most, true, lane);
  var sum = 0.0;
  for (var e = lane; e < p.experts; e += LANES) {
    let x = exp(load(first + e) - most);
    store(first + e, x);
    sum += x;
  }
  return joined(sum, false, lane);
}

// Chooses by numbers that lie at `first`, over `mass`, and biases.
fn choose(first: u32, mass: f32, ids: u32, lane: u32) {
  var last = vec2<u32>(0xffffffff, 0);
  for (var i = 0u; i < p.used; i++) {
    var best = vec2<u32>(0, 0xffffffff);
    for (var e = lane; e < p.experts; e += LANES) {
      var by = work[first + e];
      if (BIASED) { by = bitcast<u32>(load(first + e) / mass + bias_of(e)); }
      let own = vec2<u32>(rank_of(by), e);
      if (is_before(last, own) && is_before(own, best)) { best = own; }
    }
    last = best_of(best.x, best.y, lane);
    if (lane == 0) { work[ids + i] = last.y; }
  }
}

@compute @workgroup_size(LANES)
fn main(dispatch: At, @builtin(local_invocation_index) lane: u32) {
  let t = group_index(dispatch);
  if (t >= p.tokens) { return; }
  let logits = p.logits + t * p.experts;
  let ids = p.ids + t * p.used;
  let weights = p.weights + t * p.used;
  var mass = 1.0;
  if (BIASED && BY != 2) { mass = weigh(logits, lane); }
  storageBarrier();
  choose(logits, mass, ids, lane);
  workgroupBarrier();
  if (!BIASED && BY != 2) { mass = weigh(logits, lane); }
  storageBarrier();
  if (lane == 0) { leave_weights(logits, ids, weights, mass); }
}

fn leave_weights(logits: u32, ids: u32, weights: u32, mass: f32) {
  var most = load(logits + work[ids]); // the largest is the first
  if (BIASED) {
    for (var i = 1u; i < p.used; i++) { most = max(most, load(logits + work[ids + i])); }
  }
  var sum = 0.0;
  for (var i = 0u; i < p.used; i++) {
    var x = load(logits + work[ids + i]) / mass;
    if (BY == 2) { x = exp(x - most); }
    store(weights + i, x);
    sum += x;
  }
  var by = p.scale;
  if (BY == 2) { by /= sum; }
  if (p.renormalise == 1) { by /= max(LEAST_SUM, select(sum, 1.0, BY == 2)); }
  for (var i = 0u; i < p.used; i++) { store(weights + i, load(weights + i) * by); }
}
