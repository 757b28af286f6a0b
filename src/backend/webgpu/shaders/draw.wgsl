// work[to] = the token that a random number draws from log-odds (docs/algorithms.md, 'Sampling'),
// or -1 where one is NaN or infinite. Tokens stand in an order: the most probable first, the lower
// on ties. Each filter cuts the order behind a place; places are found digit by digit, from sums
// over all tokens that have the digits before, so nothing is sorted.
// uses: lib/work, lib/rank
struct Params {
  to: u32,
  logits: u32,
  count: u32,
  top_k: u32,
  top_p: f32,
  min_p: f32,
  temperature: f32,
  random: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(1) @binding(0) var<storage, read_write> work: array<u32>;

const LANES: u32 = 128;
// Values of a digit, and digits of a word.
const BINS: u32 = 16;
const DIGITS: u32 = 8;
const NOBODY: u32 = 0xffffffffu; // -1: no token

// What is summed up over tokens.
const COUNT: u32 = 0;
const MASS: u32 = 1;
const TIES: u32 = 2;

var<workgroup> bins: array<f32, LANES * BINS>;
var<workgroup> keys: array<u32, LANES>;
var<workgroup> digit: u32;
var<workgroup> above: f32;
var<workgroup> inside: f32;
// Where the order ends: behind token `last` of those with key `least`.
var<workgroup> least: u32;
var<workgroup> last: u32;

fn key_of(i: u32) -> u32 { return rank_of(work[p.logits + i]); }
fn number_of(key: u32) -> f32 { return bitcast<f32>(bits_of(key)); }

fn weight_of(key: u32, best: f32, temperature: f32) -> f32 {
  if (key <= WORST) { return 0.0; }
  return exp(max((number_of(key) - best) / temperature, -100.0));
}

// Whether a token stands before the end of the order.
fn is_in(key: u32, i: u32) -> bool {
  return key > least || (key == least && i <= last);
}

fn sum_lanes(lane: u32, own: f32) -> f32 {
  bins[lane] = own;
  workgroupBarrier();
  for (var half = LANES / 2; half > 0; half /= 2) {
    if (lane < half) { bins[lane] += bins[lane + half]; }
    workgroupBarrier();
  }
  let sum = workgroupUniformLoad(&bins[0]);
  workgroupBarrier();
  return sum;
}

// The mass of what stands before the end.
fn mass_within(lane: u32, best: f32, temperature: f32) -> f32 {
  var own = 0.0;
  for (var i = lane; i < p.count; i += LANES) {
    let key = key_of(i);
    if (is_in(key, i)) { own += weight_of(key, best, temperature); }
  }
  return sum_lanes(lane, own);
}

// The largest word such that what has it or a larger one reaches `goal` (or passes it), from what
// stands before the end. `word` is the key, or for TIES the index from behind, of tokens with key
// `tied`. Leaves in `above` the sum of larger words, in `inside` that of this one.
fn reach(lane: u32, what: u32, goal: f32, passes: bool, tied: u32, best: f32, t: f32) -> u32 {
  var found = 0u;
  if (lane == 0) { above = 0.0; }
  for (var d = 0u; d < DIGITS; d++) {
    let shift = 4 * (DIGITS - 1 - d);
    for (var b = 0u; b < BINS; b++) { bins[b * LANES + lane] = 0.0; }
    for (var i = lane; i < p.count; i += LANES) {
      let key = key_of(i);
      let word = select(key, NOBODY - i, what == TIES);
      let same = d == 0 || (word >> (shift + 4)) == (found >> (shift + 4));
      if (!same || !is_in(key, i) || (what == TIES && key != tied)) { continue; }
      var value = 1.0;
      if (what == MASS) { value = weight_of(key, best, t); }
      bins[((word >> shift) & 15) * LANES + lane] += value;
    }
    workgroupBarrier();
    if (lane < BINS) {
      var sum = 0.0;
      for (var l = 0u; l < LANES; l++) { sum += bins[lane * LANES + l]; }
      bins[lane * LANES] = sum;
    }
    workgroupBarrier();
    if (lane == 0) {
      var sum = above;
      // where rounding leaves the whole short of the goal, the last that has anything is it
      var chosen = 0u;
      var before = above;
      for (var b = BINS; b > 0; b--) {
        let own = bins[(b - 1) * LANES];
        if (own == 0.0) { continue; }
        chosen = b - 1;
        before = sum;
        sum += own;
        inside = own;
        if (select(sum >= goal, sum > goal, passes)) { break; }
      }
      digit = chosen;
      above = before;
    }
    workgroupBarrier();
    found |= workgroupUniformLoad(&digit) << shift;
  }
  return found;
}

// Ends the order behind the token at which the sum reaches a goal.
fn cut(lane: u32, what: u32, goal: f32, passes: bool, best: f32, t: f32) {
  let key = reach(lane, what, goal, passes, 0, best, t);
  let rest = goal - workgroupUniformLoad(&above);
  let value = select(1.0, weight_of(key, best, t), what == MASS);
  let ties = max(1.0, round(workgroupUniformLoad(&inside) / value));
  let wanted = select(ceil(rest / value), floor(rest / value) + 1.0, passes);
  let end = NOBODY - reach(lane, TIES, clamp(wanted, 1.0, ties), false, key, best, t);
  workgroupBarrier();
  if (lane == 0) {
    least = key;
    last = end;
  }
  workgroupBarrier();
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  // the best key, and whether any is no number
  var most = 0u;
  var odd = 0.0;
  for (var i = lane; i < p.count; i += LANES) {
    let bits = work[p.logits + i];
    if ((bits & 0x7fffffffu) > 0x7f800000u || bits == 0x7f800000u) { odd = 1.0; }
    most = max(most, key_of(i));
  }
  keys[lane] = most;
  if (lane == 0) {
    least = 0;
    last = NOBODY;
  }
  let odds = sum_lanes(lane, odd);
  for (var half = LANES / 2; half > 0; half /= 2) {
    if (lane < half) { keys[lane] = max(keys[lane], keys[lane + half]); }
    workgroupBarrier();
  }
  let best_key = workgroupUniformLoad(&keys[0]);
  if (odds > 0.0 || best_key <= WORST) {
    if (lane == 0) { work[p.to] = NOBODY; }
    return;
  }
  let best = number_of(best_key);
  if (p.temperature == 0.0) {
    let first = NOBODY - reach(lane, TIES, 1.0, false, best_key, best, 1.0);
    if (lane == 0) { work[p.to] = first; }
    return;
  }
  if (p.top_k > 0 && p.top_k < p.count) { cut(lane, COUNT, f32(p.top_k), false, best, 1.0); }
  if (p.top_p < 1.0) { cut(lane, MASS, p.top_p * mass_within(lane, best, 1.0), false, best, 1.0); }
  if (p.min_p > 0.0) {
    if (lane == 0) {
      let key = rank_of(bitcast<u32>(best + log(p.min_p)));
      if (key > least) {
        least = key;
        last = NOBODY;
      }
    }
    workgroupBarrier();
  }
  let sum = mass_within(lane, best, p.temperature);
  cut(lane, MASS, p.random * sum, true, best, p.temperature);
  if (lane == 0) { work[p.to] = last; }
}
