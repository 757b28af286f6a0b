// What is done with scores, one number a row.
import type { Backend } from '../backend.ts';
import { faultOf } from '../cpu/fault.ts';
import {
  cpuRows,
  type CpuScores,
  cpuScores,
  type HeadRows,
  type RowKernels,
  total,
  type Views,
} from '../cpu/memory.ts';
import type { LayerRows } from '../cache.ts';
import type { Scores } from '../tensor.ts';
import type { Memory } from './memory.ts';

const sum = (numbers: Iterable<number>) => {
  let all = 0;
  for (const x of numbers) all += x;
  return all;
};

export function scoreOps(
  { memory, f32, i32 }: Memory,
  views: Views,
  { topK, valueNorms }: Pick<RowKernels, 'topK' | 'valueNorms'>,
): Pick<
  Backend,
  | 'rateTokens'
  | 'negate'
  | 'multiply'
  | 'meanOverHeads'
  | 'raiseToMean'
  | 'raiseMost'
  | 'addToState'
  | 'weighByValues'
  | 'fold'
  | 'protect'
  | 'join'
  | 'keepAsState'
  | 'faultOf'
  | 'allFinite'
  | 'scoresFinite'
  | 'readScores'
> {
  const allOf = (scores: Scores) => f32(scores.address, total(cpuScores(scores)));
  /** The scores of each head. */
  function headsOf(scores: Scores): Float32Array[] {
    let at = scores.address;
    return cpuScores(scores).counts.map((n) => {
      const own = f32(at, n);
      at += n * 4;
      return own;
    });
  }
  const tokensOf = ({ tokens, length }: HeadRows) => [...i32(tokens, length)];
  const scoresOf = (address: number, rows: LayerRows): CpuScores => ({
    address,
    counts: cpuRows(rows).heads.map((head) => head.length),
  });

  return {
    rateTokens(out, rows, rate) {
      const scores = scoresOf(out, rows);
      headsOf(scores).forEach((own, h) => {
        const worth = (token: number) =>
          typeof rate === 'function' ? rate(token, h) : token + rate.plus;
        own.set(tokensOf(cpuRows(rows).heads[h]).map(worth));
      });
      return scores;
    },
    negate: (scores) => allOf(scores).forEach((s, i, all) => void (all[i] = -s)),
    multiply(scores, by) {
      const factors = f32(by.address, total(cpuScores(scores)));
      allOf(scores).forEach((s, i, all) => void (all[i] = s * factors[i]));
    },
    meanOverHeads(scores) {
      const heads = headsOf(scores);
      if (heads.some((own) => own.length !== heads[0].length)) return;
      const means = [...heads[0].keys()].map((i) => sum(heads.map((own) => own[i])) / heads.length);
      for (const own of heads) own.set(means);
    },
    raiseToMean(scores) {
      for (const own of headsOf(scores)) {
        const mean = sum(own) / own.length;
        own.set([...own].map((s) => Math.max(s, mean)));
      }
    },
    raiseMost(scores, mean, { mass, recent, rows }, spare) {
      const best = Math.max(0, ...allOf(scores));
      const looks = headsOf(mean);
      const recents = looks.map((own) => sum(recent > 0 ? own.slice(-recent) : []));
      const wanted = mass - sum(recents) / looks.length;
      headsOf(scores).forEach((own, h) => {
        const a = looks[h];
        const count = topK(spare, a.byteOffset, a.length, Math.max(0, rows - recent));
        const order = [...i32(spare, count)].sort((x, y) => a[y] - a[x] || x - y);
        let reached = 0;
        for (const i of sum(a) === 0 ? [] : order) {
          if (reached >= wanted) break;
          reached += a[i] / sum(a);
          own[i] = best;
        }
      });
    },
    addToState(scores, rows, weight, tokens) {
      headsOf(scores).forEach((own, h) => {
        const head = cpuRows(rows).heads[h];
        const state = f32(head.state, head.length);
        const added = [...state].map((s, i) => s + own[i] * weight);
        state.set(added);
        own.set(tokensOf(head).map((token, i) => added[i] / (tokens - token)));
      });
    },
    weighByValues(scores, rows, output, spare) {
      const { heads } = cpuRows(rows);
      const states = heads.map(({ state, length }) => f32(state, length));
      const known = states.map((state) => state.findLastIndex((v) => v !== 0) + 1);
      const norms = valueNorms(spare, rows, known, output);
      headsOf(norms).forEach((added, h) => states[h].set(added, known[h]));
      headsOf(scores).forEach((own, h) => {
        const all = sum(states[h].slice(0, own.length));
        if (all > 0) own.set([...own].map((s, i) => (s * states[h][i]) / all));
      });
    },
    fold(into, scores, by, how) {
      const sums = f32(into, total(cpuScores(scores)));
      allOf(scores).forEach((s, i) => {
        const before = { first: -Infinity, mean: sums[i], max: sums[i] }[how];
        sums[i] = how === 'mean' ? before + s * by : Math.max(before, s * by);
      });
      return { ...scores, address: into };
    },
    protect(to, rows, scores, { sinks, recent }) {
      const end = typeof to === 'number' ? to : to.address + total(cpuScores(to)) * 4;
      const full = scoresOf(end, rows);
      const given = headsOf(scores).map((own) => [...own]);
      headsOf(full).forEach((own, h) => {
        const tokens = tokensOf(cpuRows(rows).heads[h]);
        own.set(
          tokens.map((token, i) =>
            token < sinks || i >= own.length - recent ? Infinity : (given[h][i] ?? Infinity),
          ),
        );
      });
      return full;
    },
    join: (first, second): CpuScores => ({
      address: first.address,
      counts: [...cpuScores(first).counts, ...cpuScores(second).counts],
    }),
    keepAsState(rows, scores) {
      headsOf(scores).forEach((own, h) => {
        f32(cpuRows(rows).heads[h].state, own.length).set(own);
      });
    },
    readScores: async (scores) => headsOf(scores).map((own) => own.slice()),
    faultOf: (scores, rows) => faultOf(views, scores, rows),
    scoresFinite: (scores) => allOf(scores).every(Number.isFinite),
    allFinite: ({ address, columns }, n) =>
      [...new Float32Array(memory, address, n * columns)].every(Number.isFinite),
  };
}
