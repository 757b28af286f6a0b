// Recurrences over a matrix S [values, keys] a head, a chunk of tokens at a time
// (docs/algorithms.md, 'Recurrent layers'): S = decay S + u k^T, y = S q. Mamba-2 knows its u, in a
// delta net they depend on one another. Products of q and k are made once for the heads that read
// the same; a head then goes through in panels of 8 values, which need not know of each other.
import { packKeys } from '../attention';
import { tilePanels } from '../gemm/tile';
import { exp1, exp4 } from '../math';
import { floats, storeColumns } from '../simd';
import { stepHead } from './step';

/** Tokens of a chunk: products among them are small beside those with the state. */
export const CHUNK: i32 = 64;
/** Tokens from which on a chunk costs less than each of them alone. */
const LEAST: i32 = 4;
/** Values of a panel. */
const WIDE: i32 = 8;

/** A chunk at hand, at the front of scratch: where everything about it lies. */
@unmanaged
export class Chunk {
  tokens: i32;
  keys: i32;
  // f32 [CHUNK, keys]: queries, keys; and [keys, CHUNK]: keys, turned
  q: usize;
  k: usize;
  turned: usize;
  // f32 [CHUNK, CHUNK]: q_t . k_i and k_t . k_i; then of a head exp(g_t - g_i) q_t . k_i, and what
  // u_i takes of u_t
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
  for (let t = 0; t < c.tokens; t += 4) {
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
  for (let t = 0; t < c.tokens; t += 4) {
    const rows = min(4, c.tokens - t);
    const from = x + floats(t * c.keys);
    const panels = (t + rows + WIDE - 1) / WIDE;
    tilePanels(
      to + floats(t * CHUNK),
      from,
      c.turned,
      rows,
      panels,
      floats(WIDE),
      c.keys,
      CHUNK,
      c.keys,
      CHUNK,
      false,
    );
  }
}

/** Takes the next tokens of those that are left: one alone where they are few. */
export function takeChunk(c: Chunk, left: i32): void {
  c.tokens = left < LEAST ? 1 : min(CHUNK, left);
}

/** What is the same for all heads that read q and k, which are there. */
export function prepareChunk(c: Chunk, delta: bool): void {
  if (c.tokens == 1) return;
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
function weighHead(c: Chunk, delta: bool): void {
  for (let t = 0; t < c.tokens; t++) {
    const row = floats(t * CHUNK);
    const rate = f32x4.splat(-load<f32>(c.rates + floats(t)));
    for (let i: usize = 0; i <= floats(t); i += 16) {
      const decay = decaysTo(c, t, i);
      v128.store(c.reads + row + i, f32x4.mul(decay, v128.load(c.qk + row + i)));
      if (!delta) continue;
      const taken = f32x4.mul(decay, v128.load(c.kk + row + i));
      v128.store(c.takes + row + i, f32x4.mul(taken, rate));
    }
    // products run over groups of four tokens
    const end = (t & ~3) + 4;
    for (let i = t + 1; i < end; i++) store<f32>(c.reads + row + floats(i), 0);
  }
  const last = c.tokens - 1;
  for (let i: usize = 0; i < floats(c.tokens); i += 16)
    v128.store(c.rest + i, decaysTo(c, last, i));
}

/** to[t, 0 .. n] = x[t, 0 .. n], zeros behind n. to f32 [CHUNK, WIDE] | x f32 [tokens, n] ld */
function gatherValues(c: Chunk, to: usize, x: usize, n: i32, ld: i32): void {
  for (let t = 0; t < c.tokens; t++, to += floats(WIDE), x += floats(ld)) {
    if (n < WIDE) memory.fill(to, 0, floats(WIDE));
    copyNumbers(to, x, n);
  }
}

/** to[i] = x[i], n <= WIDE of them. */
@inline
function copyNumbers(to: usize, x: usize, n: i32): void {
  if (n == WIDE) {
    v128.store(to, v128.load(x));
    v128.store(to, v128.load(x, 16), 16);
  } else for (let i = 0; i < n; i++) store<f32>(to + floats(i), load<f32>(x + floats(i)));
}

/** x[t] *= by[t]. x f32 [tokens, WIDE] | by f32 [tokens] */
function scaleTokens(c: Chunk, x: usize, by: usize): void {
  for (let t: usize = 0; t < floats(c.tokens); t += 4, x += floats(WIDE)) {
    const factor = v128.load32_splat(by + t);
    v128.store(x, f32x4.mul(v128.load(x), factor));
    v128.store(x, f32x4.mul(v128.load(x, 16), factor), 16);
  }
}

/** u[t] = rate_t (v[t] - decay_t u[t]), u[t] = S k[t] before. */
function differences(c: Chunk): void {
  let v = c.v;
  let u = c.u;
  for (let t: usize = 0; t < floats(c.tokens); t += 4, v += floats(WIDE), u += floats(WIDE)) {
    const decay = v128.load32_splat(c.decays + t);
    const rate = v128.load32_splat(c.rates + t);
    for (let j: usize = 0; j < floats(WIDE); j += 16) {
      const known = f32x4.mul(decay, v128.load(u + j));
      v128.store(u + j, f32x4.mul(rate, f32x4.sub(v128.load(v + j), known)));
    }
  }
}

/** u[t] += sum over i < t of takes[t, i] u[i], in the order of tokens. */
function solve(c: Chunk): void {
  for (let t = 0; t < c.tokens; t += 4) {
    const rows = min(4, c.tokens - t);
    const to = c.u + floats(t * WIDE);
    const takes = c.takes + floats(t * CHUNK);
    if (t > 0) tilePanels(to, takes, c.u, rows, 1, 0, t, WIDE, CHUNK, WIDE, true);
    for (let r = 1; r < rows; r++) {
      const by = takes + floats(r * CHUNK + t);
      tilePanels(to + floats(r * WIDE), by, to, 1, 1, 0, r, WIDE, CHUNK, WIDE, true);
    }
  }
}

/** y[t] += past v[t]. */
function addPast(c: Chunk, past: f32): void {
  const by = f32x4.splat(past);
  for (let j: usize = 0; j < floats(c.tokens * WIDE); j += 16)
    v128.store(c.y + j, f32x4.add(v128.load(c.y + j), f32x4.mul(by, v128.load(c.v + j))));
}

/** S of `rows` values from the panel. state f32 [rows, keys] */
function unpackState(state: usize, panel: usize, rows: i32, keys: i32): void {
  const next = floats(keys);
  let j = 0;
  if (rows == WIDE)
    for (; j + 4 <= keys; j += 4)
      for (let h: usize = 0; h < 8; h += 4) {
        const from = panel + floats(j * WIDE) + 4 * h;
        const to = state + h * next + floats(j);
        const third = v128.load(from, 64);
        storeColumns(to, next, v128.load(from), v128.load(from, 32), third, v128.load(from, 96));
      }
  for (; j < keys; j++)
    for (let r = 0; r < rows; r++)
      store<f32>(state + <usize>r * next + floats(j), load<f32>(panel + floats(j * WIDE + r)));
}

/** y[t] += sum over i <= t of reads[t, i] u[i]. */
function readTokens(c: Chunk): void {
  for (let t = 0; t < c.tokens; t += 4) {
    const rows = min(4, c.tokens - t);
    const reads = c.reads + floats(t * CHUNK);
    tilePanels(c.y + floats(t * WIDE), reads, c.u, rows, 1, 0, t + rows, WIDE, CHUNK, WIDE, true);
  }
}

/** The panel as the chunk leaves it. */
function renewPanel(c: Chunk): void {
  const decay = f32x4.splat(load<f32>(c.decays + floats(c.tokens - 1)));
  for (let i: usize = 0; i < floats(c.keys * WIDE); i += 16)
    v128.store(c.panel + i, f32x4.mul(v128.load(c.panel + i), decay));
  scaleTokens(c, c.u, c.rest);
  tilePanels(c.panel, c.turned, c.u, c.keys, 1, 0, c.tokens, WIDE, CHUNK, WIDE, true);
}

/**
 * A chunk of one head, whose logs and rates are there: y[t] = S q + past v[t], S as token t leaves
 * it. y f32 [tokens, values] ldy | v f32 [tokens, values] ldv | state f32 [values, keys]
 */
export function runHead(
  c: Chunk,
  y: usize,
  v: usize,
  state: usize,
  values: i32,
  ldy: i32,
  ldv: i32,
  past: f32,
  delta: bool,
): void {
  const tokens = c.tokens;
  const keys = c.keys;
  if (tokens == 1) {
    const decay = load<f32>(c.decays);
    const rate = load<f32>(c.rates);
    stepHead(y, v, state, c.q, c.k, values, keys, decay, rate, past, delta);
    return;
  }
  weighHead(c, delta);
  for (let j = 0; j < values; j += WIDE, y += floats(WIDE), v += floats(WIDE)) {
    const rows = min(WIDE, values - j);
    const S = state + floats(j * keys);
    packKeys(c.panel, S, rows, keys);
    gatherValues(c, c.v, v, rows, ldv);
    if (delta) {
      tilePanels(c.u, c.k, c.panel, tokens, 1, 0, keys, WIDE, keys, WIDE, false);
      differences(c);
      solve(c);
    } else {
      memory.copy(c.u, c.v, floats(tokens * WIDE));
      scaleTokens(c, c.u, c.rates);
    }
    tilePanels(c.y, c.q, c.panel, tokens, 1, 0, keys, WIDE, keys, WIDE, false);
    scaleTokens(c, c.y, c.decays);
    readTokens(c);
    if (past != 0) addPast(c, past);
    for (let t = 0; t < tokens; t++) copyNumbers(y + floats(t * ldy), c.y + floats(t * WIDE), rows);
    renewPanel(c);
    unpackState(S, c.panel, rows, keys);
  }
}
