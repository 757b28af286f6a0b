// What tokens of a chunk have to do with one another in a recurrence (docs/algorithms.md, 'Recurrent
// layers'). Products of q and k are made once for the heads that read the same, and weighed by a
// head's decays and rates.
import { tilePanels } from '../gemm/tile';
import { exp1, exp4 } from '../math';
import { floats, storeColumns } from '../simd';

/** Tokens of a chunk: products among them are small beside those with the state. */
export const CHUNK: i32 = 32;
/** Tokens from which on a chunk costs less than each of them alone. */
export const LEAST: i32 = 4;
/** Values of a panel. */
export const WIDE: i32 = 8;

/** A chunk at hand, at the front of scratch: where everything about it lies. */
@unmanaged
export class Chunk {
  tokens: i32;
  /** Rounded up to a tile's 4: those behind are zeros, at a rate of 0. */
  rows: i32;
  keys: i32;
  // f32 [CHUNK, keys]: queries, keys; and [keys, CHUNK]: keys, turned
  q: usize;
  k: usize;
  turned: usize;
  // f32 [CHUNK, CHUNK]: q_t . k_i and k_t . k_i; then of a head exp(g_t - g_i) q_t . k_i, and what
  // u_i takes of u_t: of four tokens among themselves, that system's inverse
  qk: usize;
  kk: usize;
  reads: usize;
  takes: usize;
  // f32 [keys, WIDE]: rows of the state, turned; f32 [CHUNK, WIDE]: values, what is added, outputs
  panel: usize;
  v: usize;
  u: usize;
  y: usize;
  // f32 [CHUNK] of a head: g in two parts, exp(g), exp(g of the last - g), and the token's rate
  high: usize;
  low: usize;
  decays: usize;
  rest: usize;
  rates: usize;
}

/** Numbers of each part, in the order of the class. */
const SQUARE: i32 = CHUNK * CHUNK;
const PANEL: i32 = CHUNK * WIDE;
const HEAD_BYTES: i32 = 128;

/** Bytes of scratch for recurrences whose keys have so many numbers. */
export function recurrent_scratch(keys: i32): i32 {
  return HEAD_BYTES + (3 * CHUNK * keys + 4 * SQUARE + WIDE * keys + 3 * PANEL + 5 * CHUNK) * 4;
}

/** Lays a chunk out. */
export function chunkAt(scratch: usize, keys: i32): Chunk {
  const c = changetype<Chunk>(scratch);
  c.keys = keys;
  c.q = scratch + HEAD_BYTES;
  c.k = c.q + floats(CHUNK * keys);
  c.turned = c.k + floats(CHUNK * keys);
  c.qk = c.turned + floats(CHUNK * keys);
  c.kk = c.qk + floats(SQUARE);
  c.reads = c.kk + floats(SQUARE);
  c.takes = c.reads + floats(SQUARE);
  c.panel = c.takes + floats(SQUARE);
  c.v = c.panel + floats(WIDE * keys);
  c.u = c.v + floats(PANEL);
  c.y = c.u + floats(PANEL);
  c.high = c.y + floats(PANEL);
  c.low = c.high + floats(CHUNK);
  c.decays = c.low + floats(CHUNK);
  c.rest = c.decays + floats(CHUNK);
  c.rates = c.rest + floats(CHUNK);
  return c;
}

/** turned[j, t] = k[t, j] */
function turnKeys(c: Chunk): void {
  const keys = c.keys;
  const next = floats(keys);
  for (let t = 0; t < c.rows; t += 4) {
    let from = c.k + <usize>t * next;
    let to = c.turned + floats(t);
    let j = 0;
    for (; j + 4 <= keys; j += 4, from += 16, to += floats(4 * CHUNK)) {
      const third = v128.load(from + 2 * next);
      const fourth = v128.load(from + 3 * next);
      storeColumns(to, floats(CHUNK), v128.load(from), v128.load(from + next), third, fourth);
    }
    for (; j < keys; j++, from += 4, to += floats(CHUNK))
      for (let r: usize = 0; r < 4; r++) store<f32>(to + (r << 2), load<f32>(from + r * next));
  }
}

/** to[t, i] = x[t] . k[i] for i <= t, and some behind. to f32 [CHUNK, CHUNK] | x f32 [CHUNK, keys] */
function productsWith(c: Chunk, to: usize, x: usize): void {
  const keys = c.keys;
  for (let t = 0; t < c.rows; t += 4, to += floats(4 * CHUNK), x += floats(4 * keys)) {
    const panels = (t + 4 + WIDE - 1) / WIDE;
    tilePanels(to, x, c.turned, 4, panels, floats(WIDE), keys, CHUNK, keys, CHUNK, false);
  }
}

/** What is the same for all heads that read q and k, which are there. */
export function prepareChunk(c: Chunk, delta: bool): void {
  if (c.tokens == 1) return;
  const missing = floats((c.rows - c.tokens) * c.keys);
  memory.fill(c.q + floats(c.tokens * c.keys), 0, missing);
  memory.fill(c.k + floats(c.tokens * c.keys), 0, missing);
  turnKeys(c);
  productsWith(c, c.qk, c.q);
  if (delta) productsWith(c, c.kk, c.k);
}

/** Keeps g of token t, the sum of the logs of decays so far. */
@inline
export function keepLog(c: Chunk, t: i32, g: f64): void {
  const high = <f32>g;
  store<f32>(c.high + floats(t), high);
  store<f32>(c.low + floats(t), <f32>(g - <f64>high));
  store<f32>(c.decays + floats(t), exp1(high));
}

/** exp(g_t - g_i) of four i; 1 where that would be more. */
@inline
function decaysTo(c: Chunk, t: i32, i: usize): v128 {
  const high = f32x4.sub(v128.load32_splat(c.high + floats(t)), v128.load(c.high + i));
  const low = f32x4.sub(v128.load32_splat(c.low + floats(t)), v128.load(c.low + i));
  return exp4(f32x4.pmin(f32x4.splat(0), f32x4.add(high, low)));
}

/** What of a head's chunk all its panels share, once its logs and rates are there. */
export function weighHead(c: Chunk, delta: bool): void {
  const last = floats(c.tokens - 1);
  for (let t = floats(c.tokens); t < floats(c.rows); t += 4) {
    store<f32>(c.high + t, load<f32>(c.high + last));
    store<f32>(c.low + t, load<f32>(c.low + last));
    store<f32>(c.decays + t, load<f32>(c.decays + last));
    store<f32>(c.rates + t, 0);
  }
  for (let t = 0; t < c.rows; t++) {
    const row = floats(t * CHUNK);
    const rate = f32x4.splat(-load<f32>(c.rates + floats(t)));
    for (let i: usize = 0; i <= floats(t); i += 16) {
      const decay = decaysTo(c, t, i);
      v128.store(c.reads + row + i, f32x4.mul(decay, v128.load(c.qk + row + i)));
      if (!delta) continue;
      const taken = f32x4.mul(decay, v128.load(c.kk + row + i));
      v128.store(c.takes + row + i, f32x4.mul(taken, rate));
    }
    const end = (t & ~3) + 4;
    for (let i = t + 1; i < end; i++) store<f32>(c.reads + row + floats(i), 0);
    if (delta) invertRow(c, t);
  }
  for (let i: usize = 0; i < floats(c.rows); i += 16)
    v128.store(c.rest + i, decaysTo(c, c.rows - 1, i));
}

/**
 * Row t of the inverse of its four tokens' system, in place of what they take of one another: those
 * above it are there. (1 - N)^-1 = X, X_t = e_t + sum over i < t of N_ti X_i.
 */
function invertRow(c: Chunk, t: i32): void {
  const first = t & ~3;
  const row = c.takes + floats(t * CHUNK + first);
  let sum = f32x4.splat(0);
  for (let i = first; i < t; i++) {
    const above = v128.load(c.takes + floats(i * CHUNK + first));
    sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(row + floats(i - first)), above));
  }
  v128.store(row, sum);
  store<f32>(row + floats(t - first), 1);
}
