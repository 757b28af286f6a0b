// What several operations are defined by.
import type { PlainActivation } from '../product.ts';

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};
export const norm = (a: ArrayLike<number>) => Math.sqrt(dot(a, a));

export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** What becomes of a gate and what it is multiplied with. */
export const gatedBy: Readonly<Record<PlainActivation, (g: number, u: number) => number>> = {
  silu: (g, u) => g * sigmoid(g) * u,
  gelu(g, u) {
    const inner = Math.sqrt(2 / Math.PI) * (g + 0.044715 * g ** 3);
    return ((g * (1 + Math.tanh(inner))) / 2) * u;
  },
  clamped(g, u) {
    const open = Math.min(g, 7);
    return open * sigmoid(1.702 * open) * (Math.max(-7, Math.min(u, 7)) + 1);
  },
};

/** by tanh(x / by), or x where there is none. */
export const cap = (x: number, by?: number) => (by ? by * Math.tanh(x / by) : x);

/** exp(x[i]) / the sum of them, and of one more that is left out: a sink. */
export function softmax(x: readonly number[], sink = -Infinity): number[] {
  const peak = Math.max(...x, sink);
  const weights = x.map((s) => Math.exp(s - peak));
  const mass = weights.reduce((a, b) => a + b, Math.exp(sink - peak));
  return weights.map((w) => w / mass);
}

/** Scores of one query with keys. */
export function scoresOf(
  q: ArrayLike<number>,
  keys: readonly ArrayLike<number>[],
  d: number,
  by?: number,
): number[] {
  return keys.map((key) => cap(dot(q, key) / Math.sqrt(d), by));
}

/** Rotates `count` numbers at a time by angle row `table`. */
export function rotate(
  x: { get(j: number): number; set(j: number, value: number): void },
  table: Float32Array,
  rotated: number,
  style: 'pairs' | 'halves',
): void {
  const half = rotated / 2;
  for (let j = 0; j < half; j++) {
    const [a, b] = style === 'pairs' ? [2 * j, 2 * j + 1] : [j, j + half];
    const [xa, xb] = [x.get(a), x.get(b)];
    x.set(a, xa * table[j] - xb * table[half + j]);
    x.set(b, xa * table[half + j] + xb * table[j]);
  }
}
