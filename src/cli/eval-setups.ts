// The setups of an evaluation: all combinations of what may be a list.
import type { EvalSetup } from '../eval/evaluate.ts';
import { UsageError } from './command.ts';
import { type EvalValues, namedPolicies } from './eval-options.ts';

/** All setups; `sensitivity` is for those that share layers by it. Throws UsageError. */
export function setupsOf(values: EvalValues, sensitivity?: readonly number[]): EvalSetup[] {
  return namedPolicies(values).flatMap((policy) =>
    policy === 'full' ? fullSetups(values) : policySetups(policy, values, sensitivity),
  );
}

/** `full` knows no budget and no sharing: it runs once for each type of rows. */
function fullSetups({ own, memory, episodes }: EvalValues): EvalSetup[] {
  const shared = { ...memory, heads: undefined, layers: undefined, recall: undefined };
  return each(memory.cacheType).map((cacheType) => ({
    policy: 'full',
    budget: { tokens: 1 },
    parts: own.parts,
    options: { ...shared, episodes, cacheType },
  }));
}

function policySetups(
  policy: string,
  { own, memory, axes, episodes }: EvalValues,
  sensitivity: readonly number[] | undefined,
): EvalSetup[] {
  if (own.budget === undefined)
    throw new UsageError('--budget is missing: tokens such as 256, or a share such as 1/8');
  let setups: EvalSetup[] = own.budget.map((budget) => ({
    policy,
    budget,
    parts: own.parts,
    options: {},
  }));
  for (const name of ['heads', 'layers', 'cacheType', 'recall'] as const)
    setups = setups.flatMap((setup) =>
      each<unknown>(memory[name]).map((value) => ({
        ...setup,
        options: { ...setup.options, [name]: value },
      })),
    );
  return setups.map((setup) => ({
    ...setup,
    options: {
      ...memory,
      ...axes,
      episodes,
      ...setup.options,
      sensitivity: setup.options.layers === 'sensitivity' ? sensitivity : undefined,
    } as EvalSetup['options'],
  }));
}

/** What was given, or once that nothing was. */
function each<T>(values: readonly T[] | undefined): readonly (T | undefined)[] {
  return values !== undefined && values.length > 0 ? values : [undefined];
}
