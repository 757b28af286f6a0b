// Recurrent layers, a token after the other.
import type { Recurrent } from '../recurrent.ts';
import type { Address } from '../tensor.ts';
import { dot } from './math.ts';
import type { Memory } from './memory.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const silu = (x: number) => x * sigmoid(x);
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** A head's state [values][keys], in f64 until it is stored. */
function stateOf({ f32 }: Memory, address: Address, values: number, keys: number) {
  const stored = f32(address, values * keys);
  const rows = Array.from({ length: values }, (_, v) =>
    Float64Array.from(stored.subarray(v * keys, (v + 1) * keys)),
  );
  return {
    /** S *= by */
    decay: (by: number) => rows.forEach((row) => row.forEach((s, k) => void (row[k] = s * by))),
    /** S += what key^T */
    add: (what: ArrayLike<number>, key: ArrayLike<number>) =>
      rows.forEach((row, v) => row.forEach((s, k) => void (row[k] = s + what[v] * key[k]))),
    /** S key */
    read: (key: ArrayLike<number>) => rows.map((row) => dot(row, key)),
    store: () => rows.forEach((row, v) => stored.set(row, v * keys)),
  };
}

export function recurrentOps(memory: Memory): Recurrent {
  const { f32, row } = memory;
  return {
    convolve(y, x, w, state, T, { bias, silu: gated = false } = {}) {
      const [C, K] = [y.columns, w.columns];
      const before = f32(state, (K - 1) * C);
      const inputs = [...before, ...f32(x.address, T * C)];
      for (let t = 0; t < T; t++)
        for (let c = 0; c < C; c++) {
          const seen = Array.from({ length: K }, (_, j) => inputs[(t + j) * C + c]);
          const sum = dot(row(w, c), seen) + (bias ? row(bias, 0)[c] : 0);
          row(y, t)[c] = gated ? silu(sum) : sum;
        }
      before.set(inputs.slice(T * C));
    },
    deltaNet: (...given) => deltaNet(memory, ...given),
    mamba2: (...given) => mamba2(memory, ...given),
    gatedNorm(y, x, gate, w, T, { eps, groups, order }) {
      const n = x.columns / groups;
      for (let i = 0; i < T * groups; i++) {
        const [to, from, g] = [y, x, gate].map(({ address }) => f32(address + i * n * 4, n));
        const weights = f32(w.address + (w.columns === n ? 0 : (i % groups) * n * 4), n);
        const [gates, own] = [[...g].map(silu), [...from]];
        const values = order === 'gate' ? own.map((v, j) => v * gates[j]) : own;
        const scale = 1 / Math.sqrt(dot(values, values) / n + eps);
        for (let j = 0; j < n; j++)
          to[j] = values[j] * scale * weights[j] * (order === 'gate' ? 1 : gates[j]);
      }
    },
    product(y, a, b, T) {
      const [to, left, right] = [y, a, b].map(({ address }) => f32(address, T * y.columns));
      for (let i = 0; i < to.length; i++) to[i] = left[i] * right[i];
    },
  };
}

function deltaNet(
  memory: Memory,
  ...[y, x, alpha, beta, state, T, shape]: Parameters<Recurrent['deltaNet']>
): void {
  const { row } = memory;
  const { keyHeads, valueHeads, headDim: d, a, dtBias, eps } = shape;
  /** Head i of a row of x, counted over queries, keys and values. */
  const headOf = (t: number, i: number) => [...row(x, t).subarray(i * d, (i + 1) * d)];
  const unit = (v: readonly number[], by: number) => {
    const scale = by / Math.sqrt(dot(v, v) + eps);
    return v.map((u) => u * scale);
  };
  for (let h = 0; h < valueHeads; h++) {
    const S = stateOf(memory, state + h * d * d * 4, d, d);
    const from = h % keyHeads;
    for (let t = 0; t < T; t++) {
      const q = unit(headOf(t, from), 1 / Math.sqrt(d));
      const k = unit(headOf(t, keyHeads + from), 1);
      const v = headOf(t, 2 * keyHeads + h);
      S.decay(Math.exp(row(a, 0)[h] * softplus(row(alpha, t)[h] + row(dtBias, 0)[h])));
      const [rate, known] = [sigmoid(row(beta, t)[h]), S.read(k)];
      S.add(
        v.map((u, j) => rate * (u - known[j])),
        k,
      );
      row(y, t).set(S.read(q), h * d);
    }
    S.store();
  }
}

function mamba2(
  memory: Memory,
  ...[y, x, dt, state, T, shape]: Parameters<Recurrent['mamba2']>
): void {
  const { row } = memory;
  const { heads, groups, stateSize, a, d, dtBias } = shape;
  const P = y.columns / heads;
  for (let h = 0; h < heads; h++) {
    const S = stateOf(memory, state + h * P * stateSize * 4, P, stateSize);
    const group = Math.floor(h / (heads / groups));
    for (let t = 0; t < T; t++) {
      const own = row(x, t).subarray(h * P, (h + 1) * P);
      const [B, C] = [group, groups + group].map((g) =>
        row(x, t).subarray(heads * P + g * stateSize, heads * P + (g + 1) * stateSize),
      );
      const step = softplus(row(dt, t)[h] + row(dtBias, 0)[h]);
      S.decay(Math.exp(step * row(a, 0)[h]));
      S.add(
        Array.from(own, (v) => v * step),
        B,
      );
      const past = row(d, 0)[h];
      row(y, t).set(
        S.read(C).map((v, j) => v + past * own[j]),
        h * P,
      );
    }
    S.store();
  }
}
