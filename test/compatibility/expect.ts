// What is held against what: log-odds, and tokens that were kept.
import type { Ran } from './subject.ts';

/** Throws where what is said is not so. */
export function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** The largest difference of log-probabilities that matter: those of the most probable tokens. */
export function differenceOf(a: Float32Array, b: Float32Array): number {
  expect(
    a.every(Number.isFinite) && b.every(Number.isFinite),
    'some log-odds are not finite numbers',
  );
  const [p, q] = [a, b].map(logSoftmax);
  return Math.max(...p.map((x, i) => (Math.max(x, q[i]) < UNLIKELY ? 0 : Math.abs(x - q[i]))));
}
const UNLIKELY = -12;

function logSoftmax(logits: Float32Array): number[] {
  const peak = logits.reduce((most, x) => Math.max(most, x));
  const norm = peak + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - peak), 0));
  return Array.from(logits, (x) => x - norm);
}

/** Throws where log-odds are further apart than that. */
export function expectNear(a: Float32Array, b: Float32Array, most: number, what: string): void {
  const found = differenceOf(a, b);
  expect(found <= most, `${what}: ${found} apart, expected ${most} at most`);
}

export function expectSameBits(a: Float32Array, b: Float32Array, what: string): void {
  const at = a.findIndex((x, i) => !Object.is(x, b[i]));
  expect(a.length === b.length && at < 0, `${what}: ${a[at]} and ${b[at]} at ${at}`);
}

/** Throws where two runs did not keep the same tokens in the same heads, bar so large a share. */
export function expectSameKept(a: Ran, b: Ran, apart: number, what: string): void {
  expect(a.kept.size === b.kept.size, `${what}: ${a.kept.size} and ${b.kept.size} layers were cut`);
  for (const [layer, heads] of a.kept)
    for (const [h, tokens] of heads.entries()) {
      const other = new Set(b.kept.get(layer)?.[h]);
      const same = tokens.filter((token) => other.has(token)).length;
      const most = Math.max(tokens.length, other.size);
      expect(
        most - same <= apart * most,
        `${what}: layer ${layer}, head ${h} kept ${tokens} and ${[...other]}`,
      );
    }
}
