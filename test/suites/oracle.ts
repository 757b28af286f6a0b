// What cases should give: the numbers of the f64 reference, found once for all backends.
import * as assert from 'uvu/assert';
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import { createReferenceBackend } from '../../src/backend/reference.ts';

const reference = createReferenceBackend(64 << 20);
const known = new Map<string, Promise<number[]>>();

/** Numbers of a case and size, which `work` finds on the reference. */
export function wantedOf(
  name: string,
  work: (reference: CpuBackend) => Promise<number[]>,
): Promise<number[]> {
  const wanted = known.get(name) ?? work(reference);
  known.set(name, wanted);
  return wanted;
}

/** Throws where a number is too far from what is wanted, and is not one that may be so. */
export function compareNumbers(
  name: string,
  found: readonly number[],
  wanted: readonly number[],
  tolerance: number,
  mayBe: (found: number, wanted: number) => boolean = () => false,
): void {
  assert.is(found.length, wanted.length, name);
  const scale = wanted.reduce((a, x) => (Number.isFinite(x) ? Math.max(a, Math.abs(x)) : a), 1);
  found.forEach((x, i) => {
    const right = wanted[i];
    assert.ok(
      Object.is(x, right) || Math.abs(x - right) <= tolerance * scale || mayBe(x, right),
      `${name} number ${i}: ${x}, the reference has ${right}`,
    );
  });
}
