// Operations that raise or weigh scores: rows with most of the attention, the mean as a floor,
// projected values, attention received before.
import type { Backend, MostLooked } from '../backend.ts';
import type { Address, Scores, Weight } from '../tensor.ts';
import { cpuRows, cpuScores, type CpuBackend, type RowKernels, type Views } from './memory.ts';
import { floatsOf, perHead } from './score-views.ts';

export function createWeighing(
  memory: Views & Pick<CpuBackend, 'copy'>,
  kernels: Pick<RowKernels, 'topK' | 'valueNorms'>,
): Pick<Backend, 'raiseMost' | 'raiseToMean' | 'addToState' | 'keepAsState' | 'weighByValues'> {
  return {
    raiseMost: (scores, mean, most, spare) => raiseMost(memory, kernels, scores, mean, most, spare),

    raiseToMean(scores) {
      perHead(memory, scores, (s) => {
        let sum = 0;
        for (const x of s) sum += x;
        const mean = Math.fround(sum / s.length);
        for (let i = 0; i < s.length; i++) if (s[i] < mean) s[i] = mean;
      });
    },

    keepAsState(rows, scores) {
      const { heads } = cpuRows(rows);
      perHead(memory, scores, (own, h, at) => memory.copy(heads[h].state, at, own.length * 4));
    },

    addToState(scores, rows, weight, tokens) {
      const { heads } = cpuRows(rows);
      perHead(memory, scores, (received, h) => {
        const { state, tokens: numbers, length } = heads[h];
        const sums = memory.floats(state, length);
        const token = memory.ints(numbers, length);
        for (let i = 0; i < length; i++) {
          sums[i] += received[i] * weight;
          received[i] = sums[i] / (tokens - token[i]);
        }
      });
    },

    weighByValues(scores, rows, output: Weight, spare) {
      const { heads } = cpuRows(rows);
      const from = heads.map(({ state, length }) => {
        const known = memory.floats(state, length);
        let count = length;
        while (count > 0 && known[count - 1] === 0) count--;
        return count;
      });
      const norms = kernels.valueNorms(spare, rows, from, output);
      perHead(memory, norms, (added, h) => {
        memory.floats(heads[h].state + from[h] * 4, added.length).set(added);
      });
      perHead(memory, scores, (s, h) => {
        const v = memory.floats(heads[h].state, s.length);
        let sum = 0;
        for (const x of v) sum += x;
        if (sum > 0) for (let i = 0; i < s.length; i++) s[i] *= v[i] / sum;
      });
    },
  };
}

function raiseMost(
  memory: Views,
  kernels: Pick<RowKernels, 'topK'>,
  scores: Scores,
  mean: Scores,
  { mass, recent, rows }: MostLooked,
  spare: Address,
): void {
  const all = floatsOf(memory, scores);
  const looks = floatsOf(memory, mean);
  const { counts } = cpuScores(mean);
  let best = 0;
  for (const s of all) if (s > best) best = s;
  let [bias, at] = [0, 0];
  for (const n of counts) {
    for (let i = Math.max(0, n - recent); i < n; i++) bias += looks[at + i];
    at += n;
  }
  const wanted = mass - bias / counts.length;
  at = 0;
  for (const n of counts) {
    const most = Math.max(0, rows - recent);
    const count = kernels.topK(spare, mean.address + at * 4, n, most);
    const a = looks.subarray(at, at + n);
    let sum = 0;
    for (const x of a) sum += x;
    let reached = 0;
    const indices = memory.ints(spare, count).slice();
    for (const i of indices.sort((x, y) => a[y] - a[x] || x - y)) {
      if (reached >= wanted || sum === 0) break;
      reached += a[i] / sum;
      all[at + i] = best;
    }
    at += n;
  }
}
