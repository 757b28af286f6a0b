// Gated delta nets: what a state knows of a key is replaced, at a rate, by the key's value.
import { sigmoid1, softplus1 } from '../math';
import { dot } from '../row-norms';
import { floats } from '../simd';
import { Chunk, chunkAt, keepLog, prepareChunk, runHead, takeChunk } from './chunk';

/** to[t] = x[t] times `by` / its length. to f32 [tokens, d] | x f32 [tokens, d] ld */
function gatherUnits(to: usize, x: usize, by: f32, tokens: i32, d: i32, ld: i32, eps: f32): void {
  for (let t = 0; t < tokens; t++, to += floats(d), x += floats(ld)) {
    const scale = by / sqrt<f32>(dot(x, x, d) + eps);
    const factor = f32x4.splat(scale);
    let j: usize = 0;
    for (; j < floats(d & ~3); j += 16) v128.store(to + j, f32x4.mul(v128.load(x + j), factor));
    for (; j < floats(d); j += 4) store<f32>(to + j, load<f32>(x + j) * scale);
  }
}

/** Logs of decays, and rates, of a chunk of a head. alpha, beta f32 [tokens] ld */
function weighTokens(c: Chunk, alpha: usize, beta: usize, a: f32, bias: f32, ld: i32): void {
  let g: f64 = 0;
  for (let t = 0; t < c.tokens; t++, alpha += floats(ld), beta += floats(ld)) {
    g += <f64>a * softplus1(load<f32>(alpha) + bias);
    keepLog(c, t, g);
    store<f32>(c.rates + floats(t), sigmoid1(load<f32>(beta)));
  }
}

/**
 * T tokens of heads first, first + keyHeads, .., `count` of them, which read one key head. y f32
 * [T, valueHeads d] | x f32 [T, (2 keyHeads + valueHeads) d], q | k | v | alpha, beta f32 [T,
 * valueHeads] | state f32 [valueHeads][d, d] | a, bias f32 [valueHeads] | scratch
 * recurrent_scratch(d)
 */
export function delta_net(
  y: usize,
  x: usize,
  alpha: usize,
  beta: usize,
  state: usize,
  a: usize,
  bias: usize,
  scratch: usize,
  T: i32,
  keyHeads: i32,
  valueHeads: i32,
  d: i32,
  first: i32,
  count: i32,
  eps: f32,
): void {
  const c = chunkAt(scratch, d);
  const ldx = (2 * keyHeads + valueHeads) * d;
  const ldy = valueHeads * d;
  const key = first % keyHeads;
  for (let t = 0; t < T; t += c.tokens) {
    takeChunk(c, T - t);
    const row = x + floats(t) * <usize>ldx;
    const by = <f32>1 / sqrt<f32>(<f32>d);
    gatherUnits(c.q, row + floats(key * d), by, c.tokens, d, ldx, eps);
    gatherUnits(c.k, row + floats((keyHeads + key) * d), 1, c.tokens, d, ldx, eps);
    prepareChunk(c, true);
    for (let i = 0; i < count; i++) {
      const h = first + i * keyHeads;
      const odds = floats(t * valueHeads + h);
      const own = floats(h);
      const shift = load<f32>(bias + own);
      weighTokens(c, alpha + odds, beta + odds, load<f32>(a + own), shift, valueHeads);
      const to = y + floats(h * d) + floats(t) * <usize>ldy;
      const v = row + floats((2 * keyHeads + h) * d);
      runHead(c, to, v, state + floats(h * d) * <usize>d, d, ldy, ldx, 0, true);
    }
  }
}
