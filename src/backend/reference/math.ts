// What several operations are defined by.

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};
export const norm = (a: ArrayLike<number>) => Math.sqrt(dot(a, a));

/** softmax over keys of one query. */
export function attend(
  q: ArrayLike<number>,
  keys: readonly ArrayLike<number>[],
  d: number,
): number[] {
  const scores = keys.map((key) => dot(q, key) / Math.sqrt(d));
  const peak = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - peak));
  const mass = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / mass);
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
