// Small steps that score functions share, on one number a row.
import { describeValue } from '../arguments.ts';
import type { Backend } from '../backend/backend.ts';
import type { Scores } from '../backend/tensor.ts';
import { ModelFormatError, OptionError, RecollectError } from '../errors.ts';
import type { LayerView, Policy } from './policy.ts';

/**
 * A policy's scores of a layer's rows, held against what was asked for: one number a row at most,
 * head by head, in memory there is, none of them NaN (which no order has a place for; infinities
 * are as good as others). Throws OptionError for a score that is none, or that threw; where the
 * rows or queries themselves are not finite, it is the model's fault: ModelFormatError.
 */
export function rateRows(
  policy: Pick<Policy, 'name' | 'score'>,
  view: LayerView,
  ops: Backend,
): Scores {
  const refuse = (why: string, cause?: unknown): never => {
    throw new OptionError(`policy '${policy.name}', layer ${view.layer}: ${why}`, { cause });
  };
  let scores: Scores;
  try {
    scores = policy.score(view, ops);
  } catch (error) {
    if (error instanceof RecollectError) throw error;
    return refuse(
      `its score threw ${error instanceof Error ? `${error.name}: ${error.message}` : describeValue(error)}`,
      error,
    );
  }
  const { address, counts } = (scores ?? {}) as Partial<Scores>;
  if (!Array.isArray(counts) || typeof address !== 'number')
    return refuse(
      `its score returned ${scores instanceof Promise ? 'a promise' : describeValue(scores)}, ` +
        `expected { address, counts } at once`,
    );
  if (counts.length !== view.heads.length)
    return refuse(
      `its score has counts of ${counts.length} heads, the layer has ${view.heads.length}`,
    );
  let n = 0;
  for (let h = 0; h < counts.length; h++) {
    const count = counts[h] as unknown;
    if (
      typeof count !== 'number' ||
      !Number.isInteger(count) ||
      count < 0 ||
      count > view.heads[h].length
    )
      return refuse(
        `its score rates ${describeValue(count)} rows of head ${h}, which has ` +
          `${view.heads[h].length}`,
      );
    n += count;
  }
  let numbers: Float32Array;
  try {
    if (!(address >= 0)) throw new RangeError('no address');
    numbers = ops.floats(address, n);
  } catch (error) {
    return refuse(
      `its score lies at ${address}, where memory has no ${n} numbers: write them to view.out`,
      error,
    );
  }
  for (let i = 0; i < n; i++) {
    if (!Number.isNaN(numbers[i])) continue;
    const odd = notFinite(view, ops);
    if (odd !== undefined) {
      throw new ModelFormatError(
        `layer ${view.layer}: ${odd} are not finite, so that nothing can be rated: the model's ` +
          `weights are damaged, get another copy`,
      );
    }
    return refuse(
      `its score is NaN at place ${i} of ${n}: return numbers, higher for what is to be kept`,
    );
  }
  return scores;
}

/** Which numbers of a layer are not finite, if any. Overwrites the room behind `view.spare`. */
function notFinite(view: LayerView, ops: Backend): string | undefined {
  const { queries, count, heads, headDim, rowType } = view;
  if (queries && !ops.floats(queries.address, count * queries.columns).every(Number.isFinite))
    return 'queries';
  for (const side of ['keys', 'values'] as const) {
    const lengths = ops.rowNorms(view.spare, heads, side, headDim, rowType);
    if (!ops.floats(lengths.address, total(lengths)).every(Number.isFinite)) return side;
  }
  return undefined;
}

/** -s, in place. */
export function negate(scores: Scores, ops: Backend): Scores {
  const all = ops.floats(scores.address, total(scores));
  for (let i = 0; i < all.length; i++) all[i] = -all[i];
  return scores;
}

/** A score from each row's token number and head. */
export function scoreRows(
  view: LayerView,
  ops: Backend,
  score: (token: number, head: number) => number,
): Scores {
  const counts = view.heads.map((h) => h.length);
  const scores = { address: view.out, counts };
  const all = ops.floats(view.out, total(scores));
  let at = 0;
  for (let h = 0; h < counts.length; h++) {
    const tokens = ops.ints(view.heads[h].positions, counts[h]);
    for (let i = 0; i < counts[h]; i++) all[at++] = score(tokens[i], h);
  }
  return scores;
}

/**
 * The mean over heads of equally many rows for each of them, in place; heads of different lengths
 * are left as they are.
 */
export function meanOverHeads(scores: Scores, ops: Backend): Scores {
  const { counts } = scores;
  const [n] = counts;
  if (counts.some((c) => c !== n)) return scores;
  const all = ops.floats(scores.address, total(scores));
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let h = 0; h < counts.length; h++) sum += all[h * n + i];
    for (let h = 0; h < counts.length; h++) all[h * n + i] = sum / counts.length;
  }
  return scores;
}

export function total(scores: Scores): number {
  return scores.counts.reduce((a, b) => a + b, 0);
}
