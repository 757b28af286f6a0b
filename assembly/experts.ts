// Layers of experts, but for the products: who goes where, and what is done around the products.
// A pair is a token and one of its experts, number token * used + i; sorted by experts, pairs that
// share a matrix lie one behind the other.
import { AS_IT_IS, input_bytes, round_input } from './gemm/rounded';
import { CLAMPED, gated, GELU, SILU } from './glu';
import { exp1, sigmoid4 } from './math';
import { madd } from './simd';

/** What the chosen weigh. */
export const BY_SOFTMAX: i32 = 0;
export const BY_SIGMOID: i32 = 1;
export const BY_CHOSEN: i32 = 2;

/** Least sum that weights are divided by: 2^-14. */
const LEAST_SUM: f32 = 0.00006103515625;

/** Bytes of n numbers. */
@inline
function words(n: i32): usize {
  return (<usize>n) << 2;
}

/** p[e] = exp(p[e] - largest); their sum. */
function exponentials(p: usize, n: i32): f32 {
  let largest: f32 = -Infinity;
  for (let i: usize = 0; i < words(n); i += 4) largest = max(largest, load<f32>(p + i));
  let sum: f32 = 0;
  for (let i: usize = 0; i < words(n); i += 4) {
    const e = exp1(load<f32>(p + i) - largest);
    store<f32>(p + i, e);
    sum += e;
  }
  return sum;
}

/** Logits become what they weigh: f32 [n]. */
function weigh(p: usize, n: i32, by: i32): void {
  if (by == BY_SIGMOID) {
    for (let i: usize = 0; i < words(n); i += 4) {
      const x = load<f32>(p + i);
      if (x == x) v128.store32_lane(p + i, sigmoid4(f32x4.splat(x)), 0);
    }
    return;
  }
  const sum = exponentials(p, n);
  for (let i: usize = 0; i < words(n); i += 4) store<f32>(p + i, load<f32>(p + i) / sum);
}

/** Number e that experts are chosen by; NaN is less than all others. */
@inline
function rate(p: usize, bias: usize, e: i32): f32 {
  let by = load<f32>(p + words(e));
  if (bias) by += load<f32>(bias + words(e));
  return by == by ? by : <f32>-Infinity;
}

/** The largest `used` of E numbers in order, the lower expert before its equals. */
function choose(ids: usize, p: usize, bias: usize, E: i32, used: i32): void {
  let last = Infinity as f32;
  let before = -1;
  for (let i = 0; i < used; i++) {
    let best = -1;
    let most = -Infinity as f32;
    for (let e = 0; e < E; e++) {
      const by = rate(p, bias, e);
      const isLeft = by < last || (by == last && e > before);
      if (isLeft && (best < 0 || by > most)) {
        best = e;
        most = by;
      }
    }
    store<i32>(ids + words(i), best);
    last = most;
    before = best;
  }
}

/**
 * The experts of n tokens, and what each weighs: see Experts.route() of backend/experts.ts.
 * ids i32 [n, used] | weights f32 [n, used] | logits f32 [n, E], overwritten | bias f32 [E] or 0
 */
export function route(
  ids: usize,
  weights: usize,
  logits: usize,
  bias: usize,
  n: i32,
  E: i32,
  used: i32,
  by: i32,
  renormalise: i32,
  scale: f32,
): void {
  for (let t = 0; t < n; t++) {
    if (bias && by != BY_CHOSEN) weigh(logits, E, by);
    choose(ids, logits, bias, E, used);
    if (!bias && by != BY_CHOSEN) weigh(logits, E, by);
    for (let i: usize = 0; i < words(used); i += 4)
      store<f32>(weights + i, load<f32>(logits + words(load<i32>(ids + i))));
    if (by == BY_CHOSEN) weigh(weights, used, BY_SOFTMAX);
    let sum: f32 = 1;
    if (renormalise) {
      sum = 0;
      for (let i: usize = 0; i < words(used); i += 4) sum += load<f32>(weights + i);
      sum = max(LEAST_SUM, sum);
    }
    for (let i: usize = 0; i < words(used); i += 4)
      store<f32>(weights + i, (load<f32>(weights + i) / sum) * scale);
    ids += words(used);
    weights += words(used);
    logits += words(E);
  }
}

/**
 * Sorts pairs by their experts, those of an expert in the order of their numbers.
 * pairs i32 [n]: their numbers | begins i32 [E + 1]: where each expert's begin | ids i32 [n]
 */
export function group_choice(pairs: usize, begins: usize, ids: usize, n: i32, E: i32): void {
  memory.fill(begins, 0, words(E + 1));
  for (let i = 0; i < n; i++) {
    const at = begins + words(load<i32>(ids + words(i)) + 1);
    store<i32>(at, load<i32>(at) + 1);
  }
  for (let e = 1; e <= E; e++) {
    const at = begins + words(e);
    store<i32>(at, load<i32>(at) + load<i32>(at - 4));
  }
  // each begin runs through its expert's places, and then is where the next one's began
  for (let i = 0; i < n; i++) {
    const at = begins + words(load<i32>(ids + words(i)));
    const place = load<i32>(at);
    store<i32>(pairs + words(place), i);
    store<i32>(at, place + 1);
  }
  memory.copy(begins + 4, begins, words(E));
  store<i32>(begins, 0);
}

/** to[i] = from[token of pairs[i]]. to, from [*, bytes] | pairs i32 [n] */
export function gather_rows(
  to: usize,
  from: usize,
  pairs: usize,
  n: i32,
  used: i32,
  bytes: i32,
): void {
  for (let i = 0; i < n; i++, to += bytes)
    memory.copy(to, from + <usize>(load<i32>(pairs + words(i)) / used) * bytes, bytes);
}

/** y = y scale + bias. y f32 [n, m] ldy | scale f32 [1] or 0 | bias f32 [m] or 0 */
export function affine_rows(y: usize, n: i32, m: i32, ldy: i32, scale: usize, bias: usize): void {
  const by: f32 = scale ? load<f32>(scale) : 1;
  const lanes = words(m & ~3);
  for (let i = 0; i < n; i++, y += words(ldy)) {
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      const plus = bias ? v128.load(bias + j) : f32x4.splat(0);
      v128.store(y + j, f32x4.add(f32x4.mul(v128.load(y + j), f32x4.splat(by)), plus));
    }
    for (; j < words(m); j += 4) {
      const plus: f32 = bias ? load<f32>(bias + j) : 0;
      store<f32>(y + j, load<f32>(y + j) * by + plus);
    }
  }
}

/**
 * to[i] = what becomes of gate and up, rounded as `format` says (gemm/rounded.ts).
 * to [n, f] | y f32 [n, 2 f]: gate, then up; overwritten | kind as in glu.ts
 */
export function activate_rows(to: usize, y: usize, n: i32, f: i32, kind: i32, format: i32): void {
  const rounded = format != AS_IT_IS;
  const step = <usize>input_bytes(f, format);
  for (let i = 0; i < n; i++, y += words(2 * f), to += step) {
    const at = rounded ? y : to;
    const up = y + words(f);
    if (kind == SILU) gated(at, y, up, f, SILU);
    else if (kind == GELU) gated(at, y, up, f, GELU);
    else gated(at, y, up, f, CLAMPED);
    if (rounded) round_input(to, y, f, format);
  }
}

/**
 * y[token] += weight x[i], pair after pair, columns 0 .. m.
 * y f32 [*, m] ld | x f32 [n, m] ld | pairs i32 [n] | weights f32 [*]: by the pairs' numbers
 */
export function add_chosen(
  y: usize,
  x: usize,
  pairs: usize,
  weights: usize,
  n: i32,
  m: i32,
  ld: i32,
  used: i32,
): void {
  const lanes = words(m & ~3);
  for (let i = 0; i < n; i++, x += words(ld)) {
    const pair = load<i32>(pairs + words(i));
    const by = load<f32>(weights + words(pair));
    const to = y + words(pair / used) * ld;
    let j: usize = 0;
    for (; j < lanes; j += 16)
      v128.store(to + j, madd(v128.load(to + j), v128.load(x + j), f32x4.splat(by)));
    for (; j < words(m); j += 4) {
      const one = madd(v128.load32_splat(to + j), v128.load32_splat(x + j), f32x4.splat(by));
      v128.store32_lane(to + j, one, 0);
    }
  }
}
