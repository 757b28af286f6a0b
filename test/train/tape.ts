// Reverse-mode differentiation of matrices in f64, written for tests: what training is held against.
// It shares nothing with src/.

/** A matrix, its gradient, and how that goes on to what it was made of. */
export class Matrix {
  readonly data: Float64Array;
  readonly gradient: Float64Array;
  readonly rows: number;
  readonly columns: number;
  back: () => void = () => {};

  constructor(rows: number, columns: number, data?: ArrayLike<number>) {
    this.rows = rows;
    this.columns = columns;
    this.data = data ? Float64Array.from(data) : new Float64Array(rows * columns);
    this.gradient = new Float64Array(rows * columns);
  }
}

/** What is computed, in order, and back again. */
export class Tape {
  readonly #made: Matrix[] = [];

  #make(rows: number, columns: number): Matrix {
    const out = new Matrix(rows, columns);
    this.#made.push(out);
    return out;
  }

  /** From a gradient of the last thing made to those of everything. */
  backward(): void {
    for (const made of this.#made.reverse()) made.back();
  }

  /** x W^T. */
  linear(x: Matrix, w: Matrix): Matrix {
    const y = this.#make(x.rows, w.rows);
    const k = x.columns;
    for (let i = 0; i < x.rows; i++)
      for (let j = 0; j < w.rows; j++) {
        let sum = 0;
        for (let c = 0; c < k; c++) sum += x.data[i * k + c] * w.data[j * k + c];
        y.data[i * w.rows + j] = sum;
      }
    y.back = () => {
      for (let i = 0; i < x.rows; i++)
        for (let j = 0; j < w.rows; j++) {
          const d = y.gradient[i * w.rows + j];
          if (d === 0) continue;
          for (let c = 0; c < k; c++) {
            x.gradient[i * k + c] += d * w.data[j * k + c];
            w.gradient[j * k + c] += d * x.data[i * k + c];
          }
        }
    };
    return y;
  }

  /** Rows of w by number. */
  gather(w: Matrix, ids: readonly number[]): Matrix {
    const k = w.columns;
    const y = this.#make(ids.length, k);
    ids.forEach((id, i) => y.data.set(w.data.subarray(id * k, (id + 1) * k), i * k));
    y.back = () =>
      ids.forEach((id, i) => {
        for (let c = 0; c < k; c++) w.gradient[id * k + c] += y.gradient[i * k + c];
      });
    return y;
  }

  /** f of each number of both, with its derivatives. */
  #pointwise(
    a: Matrix,
    b: Matrix,
    f: (a: number, b: number) => number,
    derivatives: (a: number, b: number) => readonly [number, number],
    bIndex = (i: number) => i,
  ): Matrix {
    const y = this.#make(a.rows, a.columns);
    y.data.forEach((_, i) => {
      y.data[i] = f(a.data[i], b.data[bIndex(i)]);
    });
    y.back = () =>
      y.gradient.forEach((d, i) => {
        const [da, db] = derivatives(a.data[i], b.data[bIndex(i)]);
        a.gradient[i] += d * da;
        b.gradient[bIndex(i)] += d * db;
      });
    return y;
  }

  add(a: Matrix, b: Matrix): Matrix {
    return this.#pointwise(
      a,
      b,
      (x, y) => x + y,
      () => [1, 1],
    );
  }

  /** A vector added to each row. */
  addRow(a: Matrix, b: Matrix): Matrix {
    return this.#pointwise(
      a,
      b,
      (x, y) => x + y,
      () => [1, 1],
      (i) => i % a.columns,
    );
  }

  scale(a: Matrix, by: number): Matrix {
    return this.#pointwise(
      a,
      a,
      (x) => x * by,
      () => [by, 0],
    );
  }

  /** activation(gate) up. */
  gated(gate: Matrix, up: Matrix, activation: 'silu' | 'gelu'): Matrix {
    const f = activation === 'silu' ? silu : gelu;
    return this.#pointwise(
      gate,
      up,
      (g, u) => f(g) * u,
      // central differences, at a point where f64 gives ten digits of them
      (g, u) => [((f(g + 1e-5) - f(g - 1e-5)) / 2e-5) * u, f(g)],
    );
  }

  /** x / sqrt(mean(x^2) + eps) w, in pieces of w.columns. */
  norm(x: Matrix, w: Matrix, eps: number): Matrix {
    const k = w.columns;
    const y = this.#make(x.rows, x.columns);
    const scales: number[] = [];
    for (let at = 0; at < x.data.length; at += k) {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += x.data[at + c] ** 2;
      const s = 1 / Math.sqrt(sum / k + eps);
      scales.push(s);
      for (let c = 0; c < k; c++) y.data[at + c] = x.data[at + c] * s * w.data[c];
    }
    y.back = () =>
      scales.forEach((s, piece) => {
        const at = piece * k;
        let dot = 0;
        for (let c = 0; c < k; c++) dot += y.gradient[at + c] * w.data[c] * x.data[at + c];
        for (let c = 0; c < k; c++) {
          w.gradient[c] += y.gradient[at + c] * x.data[at + c] * s;
          x.gradient[at + c] +=
            s * y.gradient[at + c] * w.data[c] - (dot * s ** 3 * x.data[at + c]) / k;
        }
      });
    return y;
  }

  /** Heads of d numbers turned by angles [rows][dims / 2]. */
  rope(
    x: Matrix,
    angles: readonly (readonly number[])[],
    d: number,
    style: 'pairs' | 'halves',
  ): Matrix {
    const y = this.#make(x.rows, x.columns);
    y.data.set(x.data);
    const each = (visit: (a: number, b: number, angle: number) => void) => {
      for (let i = 0; i < x.rows; i++)
        for (let h = 0; h < x.columns; h += d)
          angles[i].forEach((angle, j) => {
            const at = i * x.columns + h;
            const half = angles[i].length;
            if (style === 'pairs') visit(at + 2 * j, at + 2 * j + 1, angle);
            else visit(at + j, at + j + half, angle);
          });
    };
    each((a, b, angle) => {
      y.data[a] = x.data[a] * Math.cos(angle) - x.data[b] * Math.sin(angle);
      y.data[b] = x.data[a] * Math.sin(angle) + x.data[b] * Math.cos(angle);
    });
    y.back = () => {
      const turned = Float64Array.from(y.gradient);
      each((a, b, angle) => {
        turned[a] = y.gradient[a] * Math.cos(angle) + y.gradient[b] * Math.sin(angle);
        turned[b] = y.gradient[b] * Math.cos(angle) - y.gradient[a] * Math.sin(angle);
      });
      turned.forEach((value, i) => {
        x.gradient[i] += value;
      });
    };
    return y;
  }

  /** Causal attention, `sees` says which rows a row may see. */
  attention(
    q: Matrix,
    k: Matrix,
    v: Matrix,
    d: number,
    sees: (query: number, key: number) => boolean,
  ): Matrix {
    const out = this.#make(q.rows, q.columns);
    const group = q.columns / k.columns;
    const weights = new Map<string, { key: number; weight: number }[]>();
    for (let i = 0; i < q.rows; i++)
      for (let h = 0; h * d < q.columns; h++) {
        const kv = Math.floor(h / group) * d;
        const seen = Array.from({ length: k.rows }, (_, j) => j).filter((j) => sees(i, j));
        const scores = seen.map((j) => {
          let sum = 0;
          for (let c = 0; c < d; c++)
            sum += q.data[i * q.columns + h * d + c] * k.data[j * k.columns + kv + c];
          return sum / Math.sqrt(d);
        });
        const peak = Math.max(...scores);
        const mass = scores.reduce((sum, s) => sum + Math.exp(s - peak), 0);
        const list = seen.map((key, n) => ({ key, weight: Math.exp(scores[n] - peak) / mass }));
        weights.set(`${i} ${h}`, list);
        for (const { key, weight } of list)
          for (let c = 0; c < d; c++)
            out.data[i * q.columns + h * d + c] += weight * v.data[key * v.columns + kv + c];
      }
    out.back = () => {
      for (let i = 0; i < q.rows; i++)
        for (let h = 0; h * d < q.columns; h++) {
          const kv = Math.floor(h / group) * d;
          const at = i * q.columns + h * d;
          const list = weights.get(`${i} ${h}`)!;
          const dw = list.map(({ key }) => {
            let sum = 0;
            for (let c = 0; c < d; c++)
              sum += out.gradient[at + c] * v.data[key * v.columns + kv + c];
            return sum;
          });
          const mean = list.reduce((sum, { weight }, n) => sum + weight * dw[n], 0);
          list.forEach(({ key, weight }, n) => {
            const ds = (weight * (dw[n] - mean)) / Math.sqrt(d);
            for (let c = 0; c < d; c++) {
              v.gradient[key * v.columns + kv + c] += weight * out.gradient[at + c];
              q.gradient[at + c] += ds * k.data[key * k.columns + kv + c];
              k.gradient[key * k.columns + kv + c] += ds * q.data[at + c];
            }
          });
        }
    };
    return out;
  }

  /**
   * Sum of -log softmax(x[i])[targets[i]] times `scale`; targets below 0 are left out. Its
   * gradient is begun with.
   */
  crossEntropy(x: Matrix, targets: readonly number[], scale: number): number {
    const k = x.columns;
    let loss = 0;
    targets.forEach((target, i) => {
      if (target < 0) return;
      const row = x.data.subarray(i * k, (i + 1) * k);
      const peak = row.reduce((a, b) => Math.max(a, b));
      const mass = row.reduce((sum, value) => sum + Math.exp(value - peak), 0);
      loss -= (row[target] - peak - Math.log(mass)) * scale;
      for (let c = 0; c < k; c++)
        x.gradient[i * k + c] += scale * (Math.exp(row[c] - peak) / mass - (c === target ? 1 : 0));
    });
    return loss;
  }
}

const silu = (x: number) => x / (1 + Math.exp(-x));
const gelu = (x: number) =>
  (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2;
