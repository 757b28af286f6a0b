// What several operations are defined by.
import type { ExpertActivation } from '../experts.ts';

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};
export const norm = (a: ArrayLike<number>) => Math.sqrt(dot(a, a));

export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** What becomes of a gate and what it is multiplied with. */
export const gatedBy: Readonly<Record<ExpertActivation, (g: number, u: number) => number>> = {
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

/** exp(x[i]) / sum of them. */
export function softmax(x: readonly number[]): number[] {
  const peak = Math.max(...x);
  const weights = x.map((s) => Math.exp(s - peak));
  const mass = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / mass);
}

/** softmax over keys of one query. */
export function attend(
  q: ArrayLike<number>,
  keys: readonly ArrayLike<number>[],
  d: number,
): number[] {
  return softmax(keys.map((key) => dot(q, key) / Math.sqrt(d)));
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
