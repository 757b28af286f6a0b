// Recurrences over a matrix S [values, keys] a head, a chunk of tokens at a time
// (docs/algorithms.md, 'Recurrent layers'): S = decay S + u k^T, y = S q. Mamba-2 knows its u, in a
// delta net they depend on one another. A head goes through in panels of 8 values, which need not
// know of each other: what one works on stays in L1.
import { packKeys } from '../attention';
import { tilePanels } from '../gemm/tile';
import { floats, storeColumns } from '../simd';
import { CHUNK, Chunk, LEAST, WIDE, weighHead } from './chunk';
import { stepHead } from './step';

/** to[t, 0 .. n] = x[t, 0 .. n], zeros behind. to f32 [rows, WIDE] | x f32 [tokens, n] ld */
function gatherValues(c: Chunk, to: usize, x: usize, n: i32, ld: i32): void {
  if (n < WIDE || c.tokens < c.rows) memory.fill(to, 0, floats(c.rows * WIDE));
  for (let t = 0; t < c.tokens; t++) copyNumbers(to + floats(t * WIDE), x + floats(t * ld), n);
}

/** to[i] = x[i], n <= WIDE of them. */
@inline
function copyNumbers(to: usize, x: usize, n: i32): void {
  if (n == WIDE) {
    v128.store(to, v128.load(x));
    v128.store(to, v128.load(x, 16), 16);
  } else for (let i = 0; i < n; i++) store<f32>(to + floats(i), load<f32>(x + floats(i)));
}

/** x[t] *= by[t]. x f32 [rows, WIDE] | by f32 [rows] */
function scaleTokens(c: Chunk, x: usize, by: usize): void {
  for (let t: usize = 0; t < floats(c.rows); t += 4, x += floats(WIDE)) {
    const factor = v128.load32_splat(by + t);
    v128.store(x, f32x4.mul(v128.load(x), factor));
    v128.store(x, f32x4.mul(v128.load(x, 16), factor), 16);
  }
}

/** u[t] = rate_t (v[t] - decay_t u[t]), u[t] = S k[t] before. */
function differences(c: Chunk): void {
  let v = c.v;
  let u = c.u;
  for (let t: usize = 0; t < floats(c.rows); t += 4, v += floats(WIDE), u += floats(WIDE)) {
    const decay = v128.load32_splat(c.decays + t);
    const rate = v128.load32_splat(c.rates + t);
    for (let j: usize = 0; j < floats(WIDE); j += 16) {
      const known = f32x4.mul(decay, v128.load(u + j));
      v128.store(u + j, f32x4.mul(rate, f32x4.sub(v128.load(v + j), known)));
    }
  }
}

/** y[t, 0 .. WIDE] (+)= sum of x[t, i] p[i, 0 .. WIDE], n of them. x f32 [rows, n] ld */
@inline
function addProducts(y: usize, x: usize, p: usize, rows: i32, n: i32, ld: i32, add: bool): void {
  tilePanels(y, x, p, rows, 1, 0, n, WIDE, ld, WIDE, add);
}

/** u[t] += sum over i < t of takes[t, i] u[i], four tokens after four. */
function solve(c: Chunk): void {
  for (let t = 0; t < c.rows; t += 4) {
    const to = c.u + floats(t * WIDE);
    const takes = c.takes + floats(t * CHUNK);
    if (t > 0) addProducts(to, takes, c.u, 4, t, CHUNK, true);
    // a tile is read before it is written
    addProducts(to, takes + floats(t), to, 4, 4, CHUNK, false);
  }
}

/** y[t] += sum over i <= t of reads[t, i] u[i]. */
function readTokens(c: Chunk): void {
  for (let t = 0; t < c.rows; t += 4)
    addProducts(c.y + floats(t * WIDE), c.reads + floats(t * CHUNK), c.u, 4, t + 4, CHUNK, true);
}

/** y[t] += past v[t]. */
function addPast(c: Chunk, past: f32): void {
  const by = f32x4.splat(past);
  for (let j: usize = 0; j < floats(c.rows * WIDE); j += 16)
    v128.store(c.y + j, f32x4.add(v128.load(c.y + j), f32x4.mul(by, v128.load(c.v + j))));
}

/** The panel as the chunk leaves it. */
function renewPanel(c: Chunk, panel: usize): void {
  const decay = f32x4.splat(load<f32>(c.decays + floats(c.rows - 1)));
  for (let i: usize = 0; i < floats(c.keys * WIDE); i += 16)
    v128.store(panel + i, f32x4.mul(v128.load(panel + i), decay));
  scaleTokens(c, c.u, c.rest);
  addProducts(panel, c.turned, c.u, c.keys, c.rows, CHUNK, true);
}

/** Rows of a state from a panel. state f32 [rows, keys] | panel f32 [keys, WIDE] */
function unpackRows(state: usize, panel: usize, rows: i32, keys: i32): void {
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

/**
 * Makes panels of a head's rows, where they are, or rows of its panels: all but what is no whole
 * panel. state f32 [values, keys]
 */
function turnState(c: Chunk, state: usize, values: i32, back: bool): void {
  const bytes = floats(c.keys * WIDE);
  for (let j = WIDE; j <= values; j += WIDE, state += bytes) {
    if (!back) packKeys(c.panel, state, WIDE, c.keys);
    memory.copy(back ? c.panel : state, back ? state : c.panel, bytes);
    if (back) unpackRows(state, c.panel, WIDE, c.keys);
  }
}

/**
 * A chunk of one head, whose logs and rates are there: y[t] = S q + past v[t], S as token t leaves
 * it. y f32 [tokens, values] ldy | v f32 [tokens, values] ldv | state f32 [values, keys], turned
 * where there is more than one token
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
  const keys = c.keys;
  if (c.tokens == 1) {
    const decay = load<f32>(c.decays);
    const rate = load<f32>(c.rates);
    stepHead(y, v, state, c.q, c.k, values, keys, decay, rate, past, delta);
    return;
  }
  weighHead(c, delta);
  for (let j = 0; j < values; j += WIDE, y += floats(WIDE), v += floats(WIDE)) {
    const n = min(WIDE, values - j);
    const S = state + floats(j * keys);
    const panel = n == WIDE ? S : c.panel;
    if (n < WIDE) packKeys(panel, S, n, keys);
    gatherValues(c, c.v, v, n, ldv);
    if (delta) {
      addProducts(c.u, c.k, panel, c.rows, keys, keys, false);
      differences(c);
      solve(c);
    } else {
      memory.copy(c.u, c.v, floats(c.rows * WIDE));
      scaleTokens(c, c.u, c.rates);
    }
    addProducts(c.y, c.q, panel, c.rows, keys, keys, false);
    scaleTokens(c, c.y, c.decays);
    readTokens(c);
    if (past != 0) addPast(c, past);
    for (let t = 0; t < c.tokens; t++) copyNumbers(y + floats(t * ldy), c.y + floats(t * WIDE), n);
    renewPanel(c, panel);
    if (n < WIDE) unpackRows(S, panel, n, keys);
  }
}

/**
 * Takes the next tokens of those that are left, with the states of heads first, first + step, ..,
 * `count` of them, as these tokens want them. Gives whether they are turned.
 */
export function nextChunk(
  c: Chunk,
  left: i32,
  turned: bool,
  state: usize,
  values: i32,
  first: i32,
  step: i32,
  count: i32,
): bool {
  c.tokens = left < LEAST ? min(1, left) : min(CHUNK, left);
  c.rows = (c.tokens + 3) & ~3;
  const turn = c.tokens > 1;
  if (turn == turned) return turned;
  for (let i = 0; i < count; i++) {
    const at = floats((first + i * step) * values) * <usize>c.keys;
    turnState(c, state + at, values, turned);
  }
  return turn;
}
