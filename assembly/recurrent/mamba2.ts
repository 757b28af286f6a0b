// Mamba-2: a state takes in what comes, by keys B, and is read by queries C.
import { softplus1 } from '../math';
import { floats } from '../simd';
import { Chunk, chunkAt, keepLog, prepareChunk } from './chunk';
import { nextChunk, runHead } from './head';

/** to[t] = x[t]. to f32 [tokens, n] | x f32 [tokens, n] ld */
function gatherTokens(to: usize, x: usize, tokens: i32, n: i32, ld: i32): void {
  for (let t = 0; t < tokens; t++, to += floats(n), x += floats(ld)) memory.copy(to, x, floats(n));
}

/** Logs of decays, and rates, of a chunk of a head. dt f32 [tokens] ld */
function weighTokens(c: Chunk, dt: usize, a: f32, bias: f32, ld: i32): void {
  let g: f64 = 0;
  for (let t = 0; t < c.tokens; t++, dt += floats(ld)) {
    const step = softplus1(load<f32>(dt) + bias);
    g += <f64>a * step;
    keepLog(c, t, g);
    store<f32>(c.rates + floats(t), <f32>step);
  }
}

/**
 * T tokens of heads first .. first + count, all of one group. y f32 [T, heads P] | x f32 [T, heads P +
 * 2 groups keys], x | B | C | dt f32 [T, heads] | state f32 [heads][P, keys] | a, past, bias f32
 * [heads] | scratch recurrent_scratch(keys)
 */
export function mamba2(
  y: usize,
  x: usize,
  dt: usize,
  state: usize,
  a: usize,
  past: usize,
  bias: usize,
  scratch: usize,
  T: i32,
  heads: i32,
  groups: i32,
  P: i32,
  keys: i32,
  first: i32,
  count: i32,
): void {
  const c = chunkAt(scratch, keys);
  const ldy = heads * P;
  const ldx = ldy + 2 * groups * keys;
  const group = first / (heads / groups);
  let turned = nextChunk(c, T, false, state, P, first, 1, count);
  for (let t = 0; t < T;) {
    const row = x + floats(t) * <usize>ldx;
    gatherTokens(c.k, row + floats(ldy + group * keys), c.tokens, keys, ldx);
    gatherTokens(c.q, row + floats(ldy + (groups + group) * keys), c.tokens, keys, ldx);
    prepareChunk(c, false);
    for (let h = first; h < first + count; h++) {
      const own = floats(h);
      const steps = dt + floats(t * heads + h);
      weighTokens(c, steps, load<f32>(a + own), load<f32>(bias + own), heads);
      const to = y + floats(h * P) + floats(t) * <usize>ldy;
      const S = state + floats(h * P) * <usize>keys;
      runHead(c, to, row + floats(h * P), S, P, ldy, ldx, load<f32>(past + own), false);
    }
    t += c.tokens;
    turned = nextChunk(c, T - t, turned, state, P, first, 1, count);
  }
}
