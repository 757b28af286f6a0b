// What is wrong with scores that a policy handed in, where this thread sees them.
import { describeValue } from '../../arguments.ts';
import type { LayerRows } from '../cache.ts';
import type { Scores } from '../tensor.ts';
import { type CpuScores, cpuRows, type Views } from './memory.ts';

/** What `scores` did, for an error message: undefined where they are one number a row at most. */
export function faultOf(memory: Views, scores: Scores, rows: LayerRows): string | undefined {
  const { heads } = cpuRows(rows);
  const { address, counts } = ((scores as unknown) ?? {}) as Partial<CpuScores>;
  if (!Array.isArray(counts) || typeof address !== 'number')
    return (
      `returned ${scores instanceof Promise ? 'a promise' : describeValue(scores)}, expected ` +
      'what an operation such as ops.rateTokens() gives, at once'
    );
  if (counts.length !== heads.length)
    return `has counts of ${counts.length} heads, the layer has ${heads.length}`;
  const odd = counts.findIndex((n: unknown, h) => {
    const isCount = typeof n === 'number' && Number.isInteger(n) && n >= 0;
    return !isCount || n > heads[h].length;
  });
  if (odd >= 0) {
    const found = describeValue(counts[odd]);
    return `rates ${found} rows of head ${odd}, which has ${heads[odd].length}`;
  }
  const n = (counts as number[]).reduce((a, b) => a + b, 0);
  const numbers = numbersAt(memory, address, n);
  if (!numbers) return `lies at ${address}, where memory has no ${n} numbers: write to view.out`;
  const at = numbers.findIndex(Number.isNaN);
  return at < 0
    ? undefined
    : `is NaN at place ${at} of ${n}: return numbers, higher for what is to be kept`;
}

function numbersAt(memory: Views, address: number, n: number): Float32Array | undefined {
  try {
    return address >= 0 ? memory.floats(address, n) : undefined;
  } catch {
    return undefined;
  }
}
