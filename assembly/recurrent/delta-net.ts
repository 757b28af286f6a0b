// Gated delta nets: what a state knows of a key is replaced, at a rate, by the key's value.
import { sigmoid1, softplus1 } from '../math';
import { dot } from '../row-norms';
import { floats, madd, sumOfEach } from '../simd';
import { Chunk, chunkAt, keepLog, prepareChunk } from './chunk';
import { nextChunk, runHead } from './head';

/** to = x by. to, x f32 [d] */
@inline
function scaleRow(to: usize, x: usize, by: v128, d: i32): void {
  let j: usize = 0;
  for (; j < floats(d & ~3); j += 16) v128.store(to + j, f32x4.mul(v128.load(x + j), by));
  for (; j < floats(d); j += 4)
    v128.store32_lane(to + j, f32x4.mul(v128.load32_splat(x + j), by), 0);
}

/** Sums of squares of four rows. x f32 [4, d] `next` bytes apart */
function squaresOf(x: usize, next: usize, d: i32): v128 {
  const lanes = floats(d & ~3);
  let sums = f32x4.splat(0);
  let b = sums;
  let c = sums;
  let e = sums;
  let j: usize = 0;
  for (; j < lanes; j += 16) {
    const v = v128.load(x + j);
    sums = madd(sums, v, v);
    const w = v128.load(x + next + j);
    b = madd(b, w, w);
    const y = v128.load(x + 2 * next + j);
    c = madd(c, y, y);
    const z = v128.load(x + 3 * next + j);
    e = madd(e, z, z);
  }
  sums = sumOfEach(sums, b, c, e);
  for (; j < floats(d); j += 4) {
    let v = v128.load32_zero(x + j);
    v = v128.load32_lane(x + next + j, v, 1);
    v = v128.load32_lane(x + 2 * next + j, v, 2);
    v = v128.load32_lane(x + 3 * next + j, v, 3);
    sums = madd(sums, v, v);
  }
  return sums;
}

/**
 * to[t] = x[t] times `by` / its length. Four rows at a time: they lie far apart, and a processor
 * fetches them together. to f32 [tokens, d] | x f32 [tokens, d] ld
 */
function gatherUnits(to: usize, x: usize, by: f32, tokens: i32, d: i32, ld: i32, eps: f32): void {
  const next = floats(ld);
  const own = floats(d);
  let t = 0;
  for (; t + 4 <= tokens; t += 4, to += 4 * own, x += 4 * next) {
    const roots = f32x4.sqrt(f32x4.add(squaresOf(x, next, d), f32x4.splat(eps)));
    const scales = f32x4.div(f32x4.splat(by), roots);
    scaleRow(to, x, i32x4.shuffle(scales, scales, 0, 0, 0, 0), d);
    scaleRow(to + own, x + next, i32x4.shuffle(scales, scales, 1, 1, 1, 1), d);
    scaleRow(to + 2 * own, x + 2 * next, i32x4.shuffle(scales, scales, 2, 2, 2, 2), d);
    scaleRow(to + 3 * own, x + 3 * next, i32x4.shuffle(scales, scales, 3, 3, 3, 3), d);
  }
  for (; t < tokens; t++, to += own, x += next)
    scaleRow(to, x, f32x4.splat(by / sqrt<f32>(dot(x, x, d) + eps)), d);
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
  let turned = nextChunk(c, T, false, state, d, first, keyHeads, count);
  for (let t = 0; t < T;) {
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
    t += c.tokens;
    turned = nextChunk(c, T - t, turned, state, d, first, keyHeads, count);
  }
}
