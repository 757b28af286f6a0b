// Whole numbers with an exact total.

/**
 * Shares `total` by weight between `floor` and `cap` each, in whole numbers that sum to exactly
 * `total` (or to all caps together where the total exceeds them).
 *
 * Water-filling: share what is left by weight; if some fall below the floor fix them all there,
 * else if some exceed the cap fix them all there; repeat with the rest; then largest remainder,
 * ties to the lower index (docs/algorithms.md, 'Exact shares').
 */
export function apportion(
  total: number,
  weights: readonly number[],
  floor: number,
  cap: number,
): number[] {
  const n = weights.length;
  if (cap * n <= total) return weights.map(() => cap);
  if (floor * n > total)
    throw new RangeError(`${n} shares of at least ${floor} exceed the total of ${total}`);
  const fixed = new Map<number, number>();
  let shares: number[] = [];
  // each turn fixes at least one share
  for (let turn = 0; turn <= n; turn++) {
    const free = weights.map((_, i) => i).filter((i) => !fixed.has(i));
    let left = total;
    for (const value of fixed.values()) left -= value;
    const sum = free.reduce((s, i) => s + weights[i], 0);
    shares = weights.map(
      (w, i) => fixed.get(i) ?? (sum > 0 ? (left * w) / sum : left / free.length),
    );
    const low = free.filter((i) => shares[i] < floor);
    const high = low.length > 0 ? [] : free.filter((i) => shares[i] > cap);
    for (const i of low) fixed.set(i, floor);
    for (const i of high) fixed.set(i, cap);
    if (low.length + high.length === 0) break;
  }
  const whole = shares.map(Math.floor);
  let missing = total - whole.reduce((s, x) => s + x, 0);
  const order = shares.map((_, i) => i).filter((i) => !fixed.has(i));
  order.sort((a, b) => shares[b] - whole[b] - (shares[a] - whole[a]) || a - b);
  // where all that is free reaches the cap, those held at the floor take the rest
  for (const takers of [order, [...fixed.keys()]]) {
    while (missing > 0 && takers.some((i) => whole[i] < cap)) {
      for (const i of takers) {
        if (missing === 0 || whole[i] >= cap) continue;
        whole[i]++;
        missing--;
      }
    }
  }
  return whole;
}
