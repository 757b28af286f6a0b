// Policies' scores on tensors from a file, so that anyone can hold them against an implementation
// of their own: shape, keys, values, queries and Wo in; scores, kept rows and layer budgets out.
import type { Backend } from '../backend/backend.ts';
import { layerBudgets } from '../cache/budget.ts';
import type { LayerView, Policy } from '../policy/policy.ts';
import { LoadedTensors } from './loaded-tensors.ts';
import { PARTS_ALONE, scoredPolicy } from './scored-policies.ts';
import { checkTensors, type TensorFile } from './tensor-file.ts';

export interface ScoreReport {
  /** [Hkv, n] a policy; rows that are kept whatever their score carry the layer's best one. */
  readonly scores: Record<string, number[][]>;
  /** Ascending rows kept with the file's budget per head. */
  readonly kept: Record<
    string,
    Record<'uniform' | 'adaptive' | 'adaptive-safeguard-0.2', number[][]>
  >;
  readonly layerBudgets?: {
    readonly similarity: number[];
    readonly cases: readonly { M: number; alpha: number; rows: number; budgets: number[] }[];
  };
}

/** What all policies of a file are scored with, and write to. */
type Common = Pick<LayerView, 'output' | 'out' | 'spare' | 'extra'> & {
  readonly fullScores: number;
  readonly kept: number;
};

/**
 * Scores, selections and layer budgets. Throws OptionError for a file whose shapes do not fit
 * together.
 */
export async function scoreTensors(
  file: TensorFile,
  names: readonly string[],
  backend: Backend,
): Promise<ScoreReport> {
  checkTensors(file);
  const { Hkv, n, window } = file.shape;
  const tensors = new LoadedTensors(file, backend);
  try {
    const output = tensors.output();
    const [out, spare, extra, fullScores, kept] = [0, 1, 2, 3, 4].map(() =>
      tensors.room(Hkv * n * 4),
    );
    const common: Common = { output, out, spare, extra, fullScores, kept };
    const scores: ScoreReport['scores'] = {};
    const keptRows: ScoreReport['kept'] = {};
    for (const name of names) {
      const policy = scoredPolicy(name, window);
      const view = viewOf(policy, file, tensors, common);
      const rated = await backend.readScores(policy.score(view, backend));
      scores[name] = completeScores(rated, name === PARTS_ALONE ? n - window : n);
      const selected = (heads: 'uniform' | 'adaptive', safeguard: number) =>
        selectRows(view, scores[name], { heads, safeguard }, tensors, common, backend);
      keptRows[name] = {
        uniform: await selected('uniform', 0),
        adaptive: await selected('adaptive', 0),
        'adaptive-safeguard-0.2': await selected('adaptive', 0.2),
      };
    }
    const shared = budgetsOf(file);
    return { scores, kept: keptRows, ...(shared && { layerBudgets: shared }) };
  } finally {
    tensors.dispose();
  }
}

/** A layer as a policy sees it, with the queries that it observes. */
function viewOf(
  policy: Policy,
  file: TensorFile,
  tensors: LoadedTensors,
  { output, out, spare, extra }: Common,
): LayerView {
  const { n, window, patched, budget } = file.shape;
  const { observe } = policy;
  const count =
    observe.queries === 'patched'
      ? patched
      : observe.queries === 'last'
        ? observe.count
        : observe.queries === 'block'
          ? window
          : 0;
  const source = observe.queries === 'patched' ? 'patchedQueries' : 'windowQueries';
  return {
    layer: 0,
    cached: tensors.fresh(),
    tokens: n,
    queries: count > 0 ? tensors.queries(source, count) : undefined,
    count,
    recent: policy.protect.recent,
    keeps: budget,
    output,
    out,
    spare,
    extra,
    seed: 0,
  };
}

/** The rows that a policy keeps by scores of all rows that it may evict. */
async function selectRows(
  view: LayerView,
  scores: readonly (readonly number[])[],
  { heads, safeguard }: { heads: 'uniform' | 'adaptive'; safeguard: number },
  tensors: LoadedTensors,
  { out, fullScores, kept }: Common,
  backend: Backend,
): Promise<number[][]> {
  const shown = tensors.first(scores[0].length);
  const rated = backend.rateTokens(out, shown, (token, head) => scores[head][token]);
  // what the policy protects has the best score already
  const full = backend.protect(fullScores, shown, rated, { sinks: 0, recent: 0 });
  const share = { rows: view.keeps, sinks: 0, heads, safeguard };
  const selection = backend.select(kept, shown, full, share);
  return (await backend.readSelection(selection)).map((rows) => [...rows]);
}

function budgetsOf({ layerBudgets: asked }: TensorFile): ScoreReport['layerBudgets'] {
  return (
    asked && {
      similarity: asked.similarity,
      cases: asked.cases.map(({ M, alpha, rows }) => ({
        M,
        alpha,
        rows,
        budgets: layerBudgets(M, asked.similarity, alpha, rows),
      })),
    }
  );
}

/** Each head's scores, the rows behind them that got none carrying the best of the layer. */
function completeScores(scores: readonly Float32Array[], n: number): number[][] {
  const best = Math.max(...scores.map((own) => Math.max(...own)));
  return scores.map((own) => [...own, ...new Array<number>(n - own.length).fill(best)]);
}
