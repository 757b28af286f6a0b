// Causal convolutions of a few taps, each channel by itself. Taps are summed up in order, so that a
// token's bits are the same alone and in a block.
import { silu4 } from '../math';
import { floats, madd, storeColumns } from '../simd';

/** Taps that are turned at a time: a quarter of an L1, beside rows of the channels they are of. */
const TAPS: i32 = 2048;

/** Most taps of a channel. */
export const MOST_TAPS: i32 = TAPS / 4;

/** Bytes of scratch for convolve(). */
export function convolve_scratch(): i32 {
  return TAPS * 4;
}

/** to[j, c] = w[c, j], n channels. to f32 [K, n] ld | w f32 [n, K] */
function turnTaps(to: usize, w: usize, n: i32, K: i32, ld: i32): void {
  let c = 0;
  if (K == 4)
    for (; c + 4 <= n; c += 4, w += 64) {
      const a = v128.load(w);
      const b = v128.load(w, 16);
      storeColumns(to + floats(c), floats(ld), a, b, v128.load(w, 32), v128.load(w, 48));
    }
  for (; c < n; c++)
    for (let j = 0; j < K; j++, w += 4) store<f32>(to + floats(j * ld + c), load<f32>(w));
}

/** Four numbers, or one in each lane. */
@inline
function numbersAt(p: usize, whole: bool): v128 {
  return whole ? v128.load(p) : v128.load32_splat(p);
}

/** sum + taps * inputs, K of them. taps f32 [K] step apart | x f32 [K] next apart */
@inline
function addTaps(
  sum: v128,
  taps: usize,
  x: usize,
  K: i32,
  step: usize,
  next: usize,
  whole: bool,
): v128 {
  for (let j = 0; j < K; j++, taps += step, x += next)
    sum = madd(sum, numbersAt(taps, whole), numbersAt(x, whole));
  return sum;
}

/**
 * y[c] of `bytes` of channels of a token: its first taps meet `early` rows of the state, the others
 * rows of x. All of them the first channel's; rows f32, ld numbers apart.
 */
function convolveToken(
  y: usize,
  bias: usize,
  taps: usize,
  state: usize,
  x: usize,
  early: i32,
  K: i32,
  bytes: usize,
  step: usize,
  next: usize,
  silu: bool,
): void {
  const lanes = bytes & ~15;
  const behind = taps + <usize>early * step;
  let c: usize = 0;
  for (; c < lanes; c += 16) {
    let sum = bias != 0 ? v128.load(bias + c) : f32x4.splat(0);
    sum = addTaps(sum, taps + c, state + c, early, step, next, true);
    sum = addTaps(sum, behind + c, x + c, K - early, step, next, true);
    v128.store(y + c, silu ? silu4(sum) : sum);
  }
  for (; c < bytes; c += 4) {
    let sum = bias != 0 ? v128.load32_splat(bias + c) : f32x4.splat(0);
    sum = addTaps(sum, taps + c, state + c, early, step, next, false);
    sum = addTaps(sum, behind + c, x + c, K - early, step, next, false);
    v128.store32_lane(y + c, silu ? silu4(sum) : sum, 0);
  }
}

/**
 * y[t, c] = sum_j w[c, j] x[t - (K - 1) + j, c] + bias[c], then silu where asked for; inputs before
 * the first are the state's, which becomes the last K - 1. y, x f32 [T, n] ld, apart | w f32 [n, K],
 * K <= MOST_TAPS | bias f32 [n], or 0 | state f32 [K - 1, n] ld | scratch convolve_scratch()
 */
export function convolve(
  y: usize,
  x: usize,
  w: usize,
  bias: usize,
  state: usize,
  scratch: usize,
  T: i32,
  n: i32,
  K: i32,
  ld: i32,
  silu: i32,
): void {
  assert(K > 0 && K <= MOST_TAPS);
  const most = (TAPS / K) & ~3;
  const next = floats(ld);
  for (let c = 0; c < n; c += most) {
    const count = min(most, n - c);
    turnTaps(scratch, w + floats(c * K), count, K, most);
    const own = floats(c);
    const shift = bias != 0 ? bias + own : 0;
    for (let t = 0; t < T; t++) {
      const early = max(0, K - 1 - t);
      const before = state + own + <usize>t * next;
      const first = x + own + <usize>(t - (K - 1) + early) * next;
      const to = y + own + <usize>t * next;
      const bytes = floats(count);
      const step = floats(most);
      convolveToken(to, shift, scratch, before, first, early, K, bytes, step, next, silu != 0);
    }
    for (let i = 0; i < K - 1; i++) {
      const from =
        T + i < K - 1 ? state + <usize>(T + i) * next : x + <usize>(T + i - K + 1) * next;
      memory.copy(state + own + <usize>i * next, from + own, floats(count));
    }
  }
}
