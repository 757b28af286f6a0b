// Policies' scores on tensors from a file, so that anyone can hold them against an implementation
// of their own. The format is that of test/fixtures/policies.json: shape, keys, values,
// windowQueries, patchedQueries, Wo in; scores, kept, layerBudgets out.
import type { Backend } from '../backend/backend.ts';
import { weightTypes } from '../backend/dtype.ts';
import type { HeadRows, Scores, Tensor, Weight } from '../backend/tensor.ts';
import { layerBudgets } from '../cache/budget.ts';
import { OptionError } from '../errors.ts';
import { definePolicy, type LayerView, type Policy } from '../policy/policy.ts';
import { findPolicy, policies } from '../policy/registry.ts';
import { total } from '../policy/score.ts';
import { protectRows, select } from '../policy/select.ts';

/**
 * Tensors of one layer, after RoPE. Hq query heads share Hkv kv heads of d; the window is the last
 * of the n tokens.
 */
export interface TensorFile {
  readonly shape: {
    readonly Hq: number;
    readonly Hkv: number;
    readonly n: number;
    readonly d: number;
    readonly window: number;
    readonly patched: number;
    readonly D: number;
    readonly budget: number;
  };
  /** [Hkv, n, d] */
  readonly keys: number[][][];
  readonly values: number[][][];
  /** [Hq, window, d] and [Hq, patched, d] */
  readonly windowQueries: number[][][];
  readonly patchedQueries: number[][][];
  /** [Hq * d, D] */
  readonly Wo: number[][];
  readonly layerBudgets?: {
    readonly similarity: number[];
    readonly cases: readonly {
      readonly M: number;
      readonly alpha: number;
      readonly rows: number;
    }[];
  };
}

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

/** More numbers than this in a file of text are a mistake. */
const MAX_NUMBERS = 1 << 26;
const PARTS_ALONE = 'defensive-aggregation';

/**
 * A policy by name, its window that of the file; also the parts that the fixtures name. Throws
 * OptionError for a name we don't have.
 */
function scoredPolicy(name: string, window: number): Policy {
  if (name === 'patched-max') return findPolicy('kvzip');
  if (name === 'patched-mean') return definePolicy({ ...findPolicy('kvzip'), aggregate: 'mean' });
  const policy =
    name === PARTS_ALONE
      ? definePolicy({
          name,
          summary: 'section 5.1 alone',
          observe: { queries: 'last', count: window },
          aggregate: 'defensive',
          pool: 5,
          protect: { recent: window },
        })
      : findPolicy(name);
  if (looksAhead(policy))
    throw new OptionError(
      `policy '${name}' needs queries before RoPE, the file has them after it: score another one`,
    );
  if (policy.observe.queries !== 'last' || policy.observe.count === 1) return policy;
  return definePolicy({
    ...policy,
    observe: { queries: 'last', count: window },
    protect: { recent: window },
  });
}

/** Whether a policy turns queries to other positions: the file does not say where its own stand. */
function looksAhead({ observe }: Policy): boolean {
  return observe.queries === 'block' && observe.ahead !== undefined;
}

/** What is scored where no policy is named. */
export function scoredNames(): string[] {
  const own = policies
    .filter((p) => p.evicts && p.observe.queries !== 'patched' && !looksAhead(p))
    .map((p) => p.name);
  return [...own.filter((name) => name !== 'random'), 'patched-max', 'patched-mean', PARTS_ALONE];
}

/**
 * Scores, selections and layer budgets. Throws OptionError for a file whose shapes do not fit
 * together.
 */
export function scoreTensors(
  file: TensorFile,
  names: readonly string[],
  backend: Backend,
): ScoreReport {
  checkTensors(file);
  const { Hq, Hkv, n, d, window, patched, D, budget } = file.shape;
  const release = backend.reserveScratch({
    tokens: Math.max(window, patched, 1),
    queryHeads: Hq,
    kvHeads: Hkv,
    headDim: d,
    width: Math.max(32, Hq * d, D),
  });
  const addresses: number[] = [];
  const room = (bytes: number) => {
    addresses.push(backend.arena.allocate(bytes));
    return addresses[addresses.length - 1];
  };
  const put = (numbers: readonly number[], columns: number): Tensor => {
    const address = room(numbers.length * 4);
    backend.floats(address, numbers.length).set(numbers);
    return { address, columns };
  };
  // the file has queries [Hq, count, d], a forward pass leaves [count, Hq * d]
  const queriesOf = (source: number[][][], count: number) => {
    const first = source[0].length - count;
    return put(
      Array.from({ length: count }, (_, p) => source.map((head) => head[first + p])).flat(2),
      Hq * d,
    );
  };
  try {
    const output: Weight = {
      address: room(backend.weightBytes(weightTypes[0], D, Hq * d)),
      type: weightTypes[0],
      rows: D,
      columns: Hq * d,
    };
    for (let row = 0; row < D; row += 4) {
      const rows = Array.from({ length: Math.min(4, D - row) }, (_, r) =>
        file.Wo.map((column) => column[row + r]),
      );
      backend.packRows(
        output,
        row,
        rows.length,
        new Uint8Array(Float32Array.from(rows.flat()).buffer),
      );
    }
    const [out, spare, extra, fullScores, kept] = [0, 1, 2, 3, 4].map(() => room(Hkv * n * 4));
    const scores: ScoreReport['scores'] = {};
    const keptRows: ScoreReport['kept'] = {};
    for (const name of names) {
      const policy = scoredPolicy(name, window);
      const heads: HeadRows[] = file.keys.map((keys, h) => {
        const positions = room(n * 4);
        backend.ints(positions, n).set(Array.from({ length: n }, (_, i) => i));
        return {
          keys: put(keys.flat(), d).address,
          values: put(file.values[h].flat(), d).address,
          positions,
          state: put(new Array<number>(n).fill(0), 1).address,
          length: n,
        };
      });
      const { observe } = policy;
      const count =
        observe.queries === 'patched'
          ? patched
          : observe.queries === 'last'
            ? observe.count
            : observe.queries === 'block'
              ? window
              : 0;
      const queries =
        count > 0
          ? queriesOf(
              observe.queries === 'patched' ? file.patchedQueries : file.windowQueries,
              count,
            )
          : undefined;
      const view: LayerView = {
        layer: 0,
        heads,
        headDim: d,
        rowType: 'f32',
        tokens: n,
        queries,
        count,
        recent: policy.protect.recent,
        rows: budget,
        output,
        out,
        spare,
        extra,
        seed: 0,
      };
      const complete = completeScores(
        policy.score(view, backend),
        name === PARTS_ALONE ? n - window : n,
        backend,
      );
      scores[name] = complete;
      const selectRows = (heads: 'uniform' | 'adaptive', safeguard: number) => {
        const ranked = put(complete.flat(), 1);
        const shown = view.heads.map((head, h) => ({ ...head, length: complete[h].length }));
        const rated = { address: ranked.address, counts: complete.map((s) => s.length) };
        const full = protectRows(
          { ...view, heads: shown, recent: 0 },
          rated,
          0,
          fullScores,
          backend,
        );
        const selection = select(
          shown,
          full,
          { rows: budget, sinks: 0, heads, safeguard },
          kept,
          backend,
        );
        return selection.map(({ rows, count }) => [...backend.ints(rows, count)]);
      };
      keptRows[name] = {
        uniform: selectRows('uniform', 0),
        adaptive: selectRows('adaptive', 0),
        'adaptive-safeguard-0.2': selectRows('adaptive', 0.2),
      };
    }
    const shared = file.layerBudgets && {
      similarity: file.layerBudgets.similarity,
      cases: file.layerBudgets.cases.map(({ M, alpha, rows }) => ({
        M,
        alpha,
        rows,
        budgets: layerBudgets(M, file.layerBudgets!.similarity, alpha, rows),
      })),
    };
    return { scores, kept: keptRows, ...(shared && { layerBudgets: shared }) };
  } finally {
    for (const address of addresses) backend.arena.free(address);
    release();
  }
}

/** Each head's scores, the rows behind them that got none carrying the best of the layer. */
function completeScores(scores: Scores, n: number, backend: Backend): number[][] {
  const all = [...backend.floats(scores.address, total(scores))];
  const best = Math.max(...all);
  let at = 0;
  return scores.counts.map((count) => {
    const own = all.slice(at, at + count);
    at += count;
    return [...own, ...new Array<number>(Math.max(0, n - count)).fill(best)];
  });
}

function checkTensors(file: TensorFile): void {
  const refuse = (why: string): never => {
    throw new OptionError(`the tensors do not fit together: ${why}`);
  };
  if (
    file === null ||
    typeof file !== 'object' ||
    typeof file.shape !== 'object' ||
    file.shape === null
  )
    refuse("expected an object with 'shape'");
  const { shape } = file;
  for (const key of ['Hq', 'Hkv', 'n', 'd', 'window', 'patched', 'D', 'budget'] as const) {
    if (!Number.isInteger(shape[key]) || shape[key] < 1)
      refuse(`shape.${key} is ${shape[key]}, expected a whole number from 1`);
  }
  const { Hq, Hkv, n, d, window, patched, D } = shape;
  if (Hq % Hkv !== 0) refuse(`${Hq} query heads cannot share ${Hkv} kv heads`);
  if (window > n) refuse(`a window of ${window} among ${n} tokens`);
  if (n * d * Hkv > MAX_NUMBERS || Hq * d * D > MAX_NUMBERS)
    refuse('the shape is larger than any file of text');
  const check = (name: string, value: unknown, sizes: readonly number[]): void => {
    if (sizes.length === 0) {
      if (!Number.isFinite(value))
        refuse(`${name} holds ${String(value)}, expected finite numbers`);
      return;
    }
    if (!Array.isArray(value) || value.length !== sizes[0])
      refuse(
        `${name} has ${Array.isArray(value) ? value.length : typeof value} entries, expected ` +
          `${sizes[0]}`,
      );
    for (const part of value as unknown[]) check(name, part, sizes.slice(1));
  };
  check('keys', file.keys, [Hkv, n, d]);
  check('values', file.values, [Hkv, n, d]);
  check('windowQueries', file.windowQueries, [Hq, window, d]);
  check('patchedQueries', file.patchedQueries, [Hq, patched, d]);
  check('Wo', file.Wo, [Hq * d, D]);
}
