// Norms, sums, gates and rotations: what is done number by number.
import type { Backend } from '../backend.ts';
import { dot, rotate } from './math.ts';
import type { Memory } from './memory.ts';

export function elementOps({
  f32,
  row,
}: Memory): Pick<Backend, 'rmsNorm' | 'add' | 'addBias' | 'scale' | 'swiglu' | 'geglu' | 'rope'> {
  return {
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      for (let i = 0; i < n; i++) {
        const from = [...f32(x.address + i * d * 4, d)];
        const scale = 1 / Math.sqrt(dot(from, from) / d + eps);
        f32(y.address + i * d * 4, d).set(from.map((v, j) => v * scale * row(w, 0)[j]));
      }
    },
    add(y, x, n) {
      const to = f32(y.address, n * y.columns);
      const from = f32(x.address, n * y.columns);
      for (let i = 0; i < to.length; i++) to[i] += from[i];
    },
    addBias(y, bias, n) {
      for (let i = 0; i < n; i++)
        row(y, i).forEach((_, j, to) => {
          to[j] += row(bias, 0)[j];
        });
    },
    scale(y, by, n) {
      const to = f32(y.address, n * y.columns);
      for (let i = 0; i < to.length; i++) to[i] *= by;
    },
    swiglu(y, gate, up, n) {
      const [to, g, u] = [y, gate, up].map((t) => f32(t.address, n * y.columns));
      for (let i = 0; i < to.length; i++) to[i] = (g[i] / (1 + Math.exp(-g[i]))) * u[i];
    },
    geglu(y, gate, up, n) {
      const [to, g, u] = [y, gate, up].map((t) => f32(t.address, n * y.columns));
      for (let i = 0; i < to.length; i++) {
        const inner = Math.sqrt(2 / Math.PI) * (g[i] + 0.044715 * g[i] ** 3);
        to[i] = ((g[i] * (1 + Math.tanh(inner))) / 2) * u[i];
      }
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
