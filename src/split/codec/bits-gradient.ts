// How the loss changes with the bits of each channel (docs/algorithms.md, 'Learned bits').

/** What has bits of its own: each channel, or each token, by its number among the gates. */
export interface Lanes {
  readonly width: number;
  /** Gate of each row; undefined: gates are channels'. */
  readonly positions?: readonly number[];
}

/**
 * Adds dLoss / dbits of each gate to `sums`, for real bits. With n = 2^bits - 1 and u = x on the
 * range as 0 to 1, x_hat = lo + (hi - lo) round(u n) / n. Rounding counts as identity in its
 * argument, so d x_hat / dn = (x - x_hat) / n. x, dx f32 [T, D].
 */
export function bitsGradient(
  sums: Float64Array,
  x: Float32Array,
  dx: Float32Array,
  bits: Float64Array,
  { width: D, positions }: Lanes,
): void {
  const T = x.length / D;
  const count = positions ? T : D;
  const gateOf = (lane: number) => positions?.[lane] ?? lane;
  const lo = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const hi = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  for (let t = 0, i = 0; t < T; t++)
    for (let c = 0; c < D; c++, i++) {
      const lane = positions ? t : c;
      if (x[i] < lo[lane]) lo[lane] = x[i];
      if (x[i] > hi[lane]) hi[lane] = x[i];
    }
  const steps = Float64Array.from({ length: count }, (_, lane) => 2 ** bits[gateOf(lane)] - 1);
  const errors = new Float64Array(count);
  for (let t = 0, i = 0; t < T; t++)
    for (let c = 0; c < D; c++, i++) {
      const lane = positions ? t : c;
      const step = (hi[lane] - lo[lane]) / steps[lane];
      if (step > 0)
        errors[lane] += dx[i] * (x[i] - lo[lane] - step * Math.round((x[i] - lo[lane]) / step));
    }
  for (const [lane, error] of errors.entries()) {
    const n = steps[lane];
    sums[gateOf(lane)] += (error / n) * (n + 1) * Math.LN2; // dn / dbits = 2^bits ln 2
  }
}
