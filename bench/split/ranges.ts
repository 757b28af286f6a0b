// How far numbers of each channel reach at a cut.

export interface ChannelRanges {
  readonly ranges: Float64Array;
  /** The largest range to the median one. */
  readonly ratio: number;
  /** Fourth moment of all numbers over their squared second one, less 3: 0 for a normal law. */
  readonly kurtosis: number;
}

export function channelRanges(x: Float32Array, D: number): ChannelRanges {
  const lo = new Float64Array(D).fill(Number.POSITIVE_INFINITY);
  const hi = new Float64Array(D).fill(Number.NEGATIVE_INFINITY);
  let mean = 0;
  for (const [i, v] of x.entries()) {
    lo[i % D] = Math.min(lo[i % D], v);
    hi[i % D] = Math.max(hi[i % D], v);
    mean += v / x.length;
  }
  let [second, fourth] = [0, 0];
  for (const v of x) {
    const square = (v - mean) ** 2;
    second += square / x.length;
    fourth += square ** 2 / x.length;
  }
  const ranges = hi.map((v, c) => v - lo[c]);
  const sorted = ranges.slice().sort();
  return {
    ranges,
    ratio: sorted[D - 1] / sorted[Math.floor(D / 2)],
    kurtosis: fourth / second ** 2 - 3,
  };
}
