// A policy's scores of a layer's rows, checked.
import { describeValue } from '../arguments.ts';
import type { Backend } from '../backend/backend.ts';
import type { Scores } from '../backend/tensor.ts';
import { ModelFormatError, OptionError, RecollectError } from '../errors.ts';
import type { LayerView, Policy } from './policy.ts';

/**
 * Rates the rows: one number a row at most, none of them NaN (infinities are allowed). Throws
 * OptionError for a score that is none, or that threw; where the rows or queries themselves are not
 * finite, it is the model's fault: ModelFormatError.
 */
export function rateRows(
  policy: Pick<Policy, 'name' | 'score'>,
  view: LayerView,
  ops: Backend,
): Scores {
  const { layer, cached, queries, count } = view;
  const refusal = (why: string, cause?: unknown) =>
    new OptionError(`policy '${policy.name}', layer ${layer}: ${why}`, { cause });
  let scores: Scores;
  try {
    scores = policy.score(view, ops);
  } catch (error) {
    if (error instanceof RecollectError) throw error;
    const said = error instanceof Error ? `${error.name}: ${error.message}` : describeValue(error);
    throw refusal(`its score threw ${said}`, error);
  }
  const errorOf = (fault: string, odd?: string) =>
    odd === undefined
      ? refusal(`its score ${fault}`)
      : new ModelFormatError(
          `layer ${layer}: ${odd} are not finite, so that nothing can be rated: the model's ` +
            `weights are damaged, get another copy`,
        );
  const fault = ops.faultOf(scores, cached, { queries, count, error: errorOf });
  if (fault === undefined) return scores;
  throw errorOf(fault, notFinite(view, ops));
}

/** Which numbers of a layer are not finite, if any. Overwrites the room behind `view.spare`. */
function notFinite(view: LayerView, ops: Backend): string | undefined {
  const { queries, count, cached } = view;
  if (queries && !ops.allFinite(queries, count)) return 'queries';
  return (['keys', 'values'] as const).find(
    (side) => !ops.scoresFinite(ops.rowNorms(view.spare, cached, side)),
  );
}

/** -s, in place. */
export function negate(scores: Scores, ops: Backend): Scores {
  ops.negate(scores);
  return scores;
}
