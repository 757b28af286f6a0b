// Norms, sums, gates and rotations: what is done number by number.
import type { Elements } from '../elements.ts';
import type { Tensor } from '../tensor.ts';
import type { Training } from '../training.ts';
import { SPARSE_DEVIATIONS } from '../product.ts';
import { cap, dot, gatedBy, rotate, sigmoid } from './math.ts';
import type { Memory } from './memory.ts';

/** Gates without what lies below the row's cutoff. */
function sparse(gates: Float32Array): Float32Array {
  const numbers = Array.from(gates);
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const squares = numbers.reduce((sum, g) => sum + (g - mean) ** 2, 0);
  const least = mean + SPARSE_DEVIATIONS * Math.sqrt(squares / Math.max(1, numbers.length - 1));
  return gates.map((g) => Math.max(g - least, 0));
}

export function elementOps({ f32, row }: Memory): Elements {
  /** What is done to each number of n rows by itself. */
  const change = (y: Tensor, n: number, by: (y: number, i: number) => number) => {
    const to = f32(y.address, n * y.columns);
    for (let i = 0; i < to.length; i++) to[i] = by(to[i], i);
  };

  return {
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      for (let i = 0; i < n; i++) {
        const from = [...f32(x.address + i * d * 4, d)];
        const scale = 1 / Math.sqrt(dot(from, from) / d + eps);
        const weights = w.address === undefined ? undefined : row(w, 0);
        f32(y.address + i * d * 4, d).set(from.map((v, j) => v * scale * (weights?.[j] ?? 1)));
      }
    },
    add(y, x, n) {
      const to = f32(y.address, n * y.columns);
      const from = f32(x.address, n * y.columns);
      for (let i = 0; i < to.length; i++) to[i] += from[i];
    },
    scale: (y, factor, n) => change(y, n, (x) => x * factor),
    squaredRelu: (y, n) => change(y, n, (x) => Math.max(x, 0) ** 2),
    softCap: (y, most, n) => change(y, n, (x) => cap(x, most)),
    multiplyColumns({ address }, by, n) {
      const [d, factors] = [by.columns, row(by, 0)];
      change({ address, columns: d }, n, (x, i) => x * factors[i % d]);
    },
    glu(y, gate, up, n, activation) {
      const isSparse = activation === 'sparse-gelu';
      const by = gatedBy[isSparse ? 'gelu' : activation];
      for (let i = 0; i < n; i++) {
        const [to, g, u] = [y, gate, up].map((t) => row(t, i, y.columns));
        to.set((isSparse ? sparse(g) : g).map((x, j) => by(x, u[j])));
      }
    },
    gateBySigmoid(y, gate, n) {
      const g = f32(gate.address, n * y.columns);
      change(y, n, (x, i) => x * sigmoid(g[i]));
    },
    rope(x, angles, n, heads, d) {
      for (let i = 0; i < n; i++) {
        const table = f32(angles.address + i * angles.rotated * 4, angles.rotated);
        for (let h = 0; h < heads; h++) {
          const head = f32(x.address + (i * heads + h) * d * 4, d);
          rotate(
            { get: (j) => head[j], set: (j, v) => void (head[j] = v) },
            table,
            angles.rotated,
            angles.style,
          );
        }
      }
    },
  };
}

type ElementGradients = Pick<
  Training,
  'rmsNormGradient' | 'swigluGradient' | 'gegluGradient' | 'ropeGradient'
>;

/** The way back through some of them. */
export function elementGradients({ f32, row }: Memory): ElementGradients {
  /** Of y = f(gate) * up, `slope` giving f and its derivative. */
  const gatedGradient =
    (slope: (gate: number) => readonly [value: number, derivative: number]) =>
    (...[dgate, dup, dy, gate, up, n]: Parameters<Training['swigluGradient']>): void => {
      const [toGate, toUp, d, g, u] = [dgate, dup, dy, gate, up].map((t) =>
        f32(t.address, n * dy.columns),
      );
      for (let i = 0; i < d.length; i++) {
        const [value, derivative] = slope(g[i]);
        [toGate[i], toUp[i]] = [d[i] * u[i] * derivative, d[i] * value];
      }
    };

  return {
    rmsNormGradient(dx, dy, x, w, n, eps, { dw, add } = {}) {
      const d = w.columns;
      const weights = row(w, 0);
      const sums = new Float64Array(d);
      for (let i = 0; i < n; i++) {
        const [from, to] = [x, dx].map((t) => f32(t.address + i * d * 4, d));
        const back = [...f32(dy.address + i * d * 4, d)];
        const scale = 1 / Math.sqrt(dot(from, from) / d + eps);
        const weighted = back.map((v, j) => v * weights[j]);
        const along = (dot(weighted, from) * scale * scale) / d;
        for (let j = 0; j < d; j++) {
          sums[j] += back[j] * from[j] * scale;
          to[j] = (add ? to[j] : 0) + (weighted[j] - from[j] * along) * scale;
        }
      }
      if (dw) sums.forEach((sum, j) => void (row(dw, 0)[j] += sum));
    },
    swigluGradient: gatedGradient((gate) => {
      const s = 1 / (1 + Math.exp(-gate));
      return [gate * s, s * (1 + gate * (1 - s))];
    }),
    gegluGradient: gatedGradient((gate) => {
      const c = Math.sqrt(2 / Math.PI);
      const th = Math.tanh(c * (gate + 0.044715 * gate ** 3));
      const inner = c * (1 + 3 * 0.044715 * gate ** 2);
      return [(gate * (1 + th)) / 2, (1 + th + gate * (1 - th * th) * inner) / 2];
    }),
    ropeGradient(dx, { address, rotated, style }, n, heads, d) {
      for (let i = 0; i < n; i++) {
        const half = rotated / 2;
        const angles = f32(address + i * rotated * 4, rotated);
        const back = angles.map((v, j) => (j < half ? v : -v));
        for (let h = 0; h < heads; h++) {
          const head = f32(dx.address + (i * heads + h) * d * 4, d);
          const numbers = {
            get: (j: number) => head[j],
            set: (j: number, v: number) => void (head[j] = v),
          };
          rotate(numbers, back, rotated, style);
        }
      }
    },
  };
}
