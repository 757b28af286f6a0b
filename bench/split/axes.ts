// Principal axes of hidden states: orthogonal directions in which they vary, the largest first.

/** Sweeps of Jacobi's method; it needs about eight for a hundred channels. */
const MOST_SWEEPS = 30;
/** What is left beside the diagonal, relative to it, where it is done. */
const DONE = 1e-13;

/** Covariance f64 [D, D] of x [T, D]. */
function covariance(x: Float32Array, D: number): Float64Array {
  const T = x.length / D;
  const mean = new Float64Array(D);
  for (let i = 0; i < x.length; i++) mean[i % D] += x[i] / T;
  const sums = new Float64Array(D * D);
  for (let t = 0; t < T; t++)
    for (let a = 0; a < D; a++) {
      const moved = x[t * D + a] - mean[a];
      for (let b = 0; b <= a; b++) sums[a * D + b] += moved * (x[t * D + b] - mean[b]);
    }
  for (let a = 0; a < D; a++) for (let b = 0; b <= a; b++) sums[b * D + a] = sums[a * D + b] /= T;
  return sums;
}

/** Turns rows (or columns) p and q of a [D, D] by an angle. */
function turn(a: Float64Array, D: number, [p, q]: number[], [c, s]: number[], isColumns: boolean) {
  const [step, from] = isColumns ? [D, 1] : [1, D];
  for (let k = 0; k < D; k++) {
    const [i, j] = [p * from + k * step, q * from + k * step];
    const [u, v] = [a[i], a[j]];
    a[i] = c * u - s * v;
    a[j] = s * u + c * v;
  }
}

/**
 * Principal axes of x [T, D] as rows of an orthogonal matrix f64 [D, D], by Jacobi's method: turns
 * in planes of two channels until their covariance is gone.
 */
export function principalAxes(x: Float32Array, D: number): Float64Array {
  const a = covariance(x, D);
  const axes = Float64Array.from({ length: D * D }, (_, i) => (i % (D + 1) === 0 ? 1 : 0));
  const trace = Array.from({ length: D }, (_, i) => a[i * D + i]).reduce((u, v) => u + v, 0);
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let left = 0;
    for (let p = 0; p < D; p++)
      for (let q = p + 1; q < D; q++) {
        const between = a[p * D + q];
        left = Math.max(left, Math.abs(between));
        if (Math.abs(between) <= DONE * trace) continue;
        const half = (a[q * D + q] - a[p * D + p]) / (2 * between);
        const tangent = Math.sign(half || 1) / (Math.abs(half) + Math.sqrt(half * half + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        const by = [cosine, tangent * cosine];
        turn(a, D, [p, q], by, false);
        turn(a, D, [p, q], by, true);
        turn(axes, D, [p, q], by, false);
      }
    if (left <= DONE * trace) break;
  }
  const order = Array.from({ length: D }, (_, i) => i).sort((p, q) => a[q * D + q] - a[p * D + p]);
  const sorted = new Float64Array(D * D);
  for (const [to, from] of order.entries())
    sorted.set(axes.subarray(from * D, (from + 1) * D), to * D);
  return sorted;
}
