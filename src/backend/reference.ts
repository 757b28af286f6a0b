// Every operation as a plain loop in f64: the definition that other backends are held against.
// Slow, and made to be read. Its memory is an ArrayBuffer of fixed size; weights are kept as the
// f32 numbers they stand for, cache rows as the backend type says.
import { createArena } from './arena.ts';
import type { Backend, Observation } from './backend.ts';
import { dequantize } from './dequantize.ts';
import { type RowSide, type RowType, rowBytes, rowTypes } from './dtype.ts';
import { decodeRow, encodeGroup, encodeRow, quantize } from './row-codec.ts';
import { DeviceError } from '../errors.ts';
import type { Address, HeadRows, Scores, Tensor } from './tensor.ts';

const DEFAULT_BYTES = 64 << 20;

export function createReferenceBackend(bytes = DEFAULT_BYTES): Backend {
  const memory = new ArrayBuffer(bytes);
  const arena = createArena(64, bytes, (end) => {
    if (end > bytes)
      throw new DeviceError(`the reference backend holds ${bytes} bytes, ${end} are wanted`);
  });
  const f32 = (address: Address, count: number) => new Float32Array(memory, address, count);
  const i32 = (address: Address, count: number) => new Int32Array(memory, address, count);
  const row = (x: Tensor, i: number, columns = x.columns) =>
    f32(x.address + i * x.columns * 4, columns);

  const rowAt = (rows: Address, i: number, d: number, type: RowType, side: RowSide) =>
    new Uint8Array(memory, rows + i * rowBytes(type, d, side), rowBytes(type, d, side));
  /** Cached row i, and all of a head's. */
  const readRow = (rows: Address, i: number, d: number, type: RowType, side: RowSide = 'keys') =>
    decodeRow(rowAt(rows, i, d, type, side), d, type, side, memory);
  const writeRow = (
    rows: Address,
    i: number,
    d: number,
    type: RowType,
    values: ArrayLike<number>,
  ) => rowAt(rows, i, d, type, 'keys').set(encodeRow(values, type));
  const rowsOf = (head: HeadRows, of: RowSide, n: number, d: number, type: RowType) =>
    Array.from({ length: n }, (_, i) => readRow(head[of], i, d, type, of));
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  };
  const norm = (a: ArrayLike<number>) => Math.sqrt(dot(a, a));

  /** softmax over keys of one query. */
  function attend(q: ArrayLike<number>, keys: readonly ArrayLike<number>[], d: number): number[] {
    const scores = keys.map((key) => dot(q, key) / Math.sqrt(d));
    const peak = Math.max(...scores);
    const weights = scores.map((s) => Math.exp(s - peak));
    const mass = weights.reduce((a, b) => a + b, 0);
    return weights.map((w) => w / mass);
  }

  /** The looks of all queries of a kv head, [count * G][rows seen]. */
  function looksAt(
    head: HeadRows,
    h: number,
    heads: number,
    d: number,
    type: RowType,
    { queries, count, causal }: Omit<Observation, 'aggregate'>,
  ): number[][] {
    const group = queries.columns / d / heads;
    const keys = rowsOf(head, 'keys', head.length, d, type);
    return Array.from({ length: count * group }, (_, look) => {
      const [p, g] = [Math.floor(look / group), look % group];
      const q = row(queries, p).subarray((h * group + g) * d, (h * group + g + 1) * d);
      return attend(q, causal ? keys.slice(0, head.length - count + p + 1) : keys, d);
    });
  }

  /** Rotates `count` numbers at a time by angle row `table`. */
  function rotate(
    x: { get(j: number): number; set(j: number, value: number): void },
    table: Float32Array,
    rotated: number,
    style: 'pairs' | 'halves',
  ): void {
    const half = rotated / 2;
    for (let j = 0; j < half; j++) {
      const [a, b] = style === 'pairs' ? [2 * j, 2 * j + 1] : [j, j + half];
      const [xa, xb] = [x.get(a), x.get(b)];
      x.set(a, xa * table[j] - xb * table[half + j]);
      x.set(b, xa * table[half + j] + xb * table[j]);
    }
  }

  function perHead(
    out: Address,
    heads: readonly HeadRows[],
    unscored: number,
    numbers: (head: HeadRows, h: number, scored: number) => number[],
  ): Scores {
    let at = out;
    const counts = heads.map((head, h) => {
      const scored = Math.max(0, head.length - unscored);
      f32(at, scored).set(scored > 0 ? numbers(head, h, scored) : []);
      at += scored * 4;
      return scored;
    });
    return { address: out, counts };
  }

  const backend: Backend = {
    name: 'reference',
    build: 'f64',
    threads: 1,
    arena,
    write: (address, data) => new Uint8Array(memory, address, data.length).set(data),
    moveBytes: (to, from, count) => void new Uint8Array(memory).copyWithin(to, from, from + count),
    bytes: (address, count) => new Uint8Array(memory, address, count),
    floats: f32,
    ints: i32,

    weightBytes: (_, rows, columns) => rows * columns * 4,
    packRows(weight, first, count, file) {
      f32(weight.address + first * weight.columns * 4, count * weight.columns).set(
        dequantize(weight.type.name, file, count * weight.columns),
      );
    },
    embed(y, table, ids, n) {
      const tokens = i32(ids, n);
      for (let i = 0; i < n; i++) row(y, i, table.columns).set(row(table, tokens[i]));
    },
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      for (let i = 0; i < n; i++) {
        const from = [...f32(x.address + i * d * 4, d)];
        const scale = 1 / Math.sqrt(dot(from, from) / d + eps);
        f32(y.address + i * d * 4, d).set(from.map((v, j) => v * scale * row(w, 0)[j]));
      }
    },
    linear(products, x, n) {
      for (const [y, w] of products) {
        for (let i = 0; i < n; i++) {
          const from = row(x, i, w.columns);
          row(y, i).set(Array.from({ length: w.rows }, (_, m) => dot(from, row(w, m))));
        }
      }
    },
    linearOne: (products, x) => backend.linear(products, x, 1),
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
    swiglu(y, gate, up, n) {
      const [to, g, u] = [y, gate, up].map((t) => f32(t.address, n * y.columns));
      for (let i = 0; i < to.length; i++) to[i] = (g[i] / (1 + Math.exp(-g[i]))) * u[i];
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
    ropeShift(keys, angles, n, d, type) {
      const table = f32(angles.address, angles.rotated);
      for (let i = 0; i < n; i++) {
        const key = readRow(keys, i, d, type);
        rotate(
          { get: (j) => key[j], set: (j, v) => void (key[j] = v) },
          table,
          angles.rotated,
          angles.style,
        );
        writeRow(keys, i, d, type, key);
      }
    },
    storeRows(rows, x, head, n, d, type) {
      for (let i = 0; i < n; i++)
        writeRow(rows, i, d, type, row(x, i).subarray(head * d, (head + 1) * d));
    },
    gatherRows(out, rows, list, n, d, type, side) {
      i32(list, n).forEach((row, i) =>
        f32(out + i * d * 4, d).set(readRow(rows, row, d, type, side)),
      );
    },
    groupRows(rows, list, x, grid, n, d, type, side) {
      const numbers = Array.from({ length: n }, (_, i) => [...f32(x + i * d * 4, d)]);
      const bits = Math.ceil(rowTypes[type].bits) as 3 | 4 | 8;
      const group =
        side === 'keys'
          ? encodeGroup(numbers, type, grid)
          : { grid: [], rows: numbers.map((row) => quantize(row, bits)) };
      new Uint8Array(memory).set(group.grid, grid);
      i32(list, n).forEach((row, i) => rowAt(rows, row, d, type, side).set(group.rows[i]));
    },
    attention(out, q, heads, T, d, type, looks) {
      const group = q.columns / d / heads.length;
      heads.forEach((head, h) => {
        const [keys, values] = (['keys', 'values'] as const).map((of) =>
          rowsOf(head, of, head.length, d, type),
        );
        for (let t = 0; t < T; t++) {
          for (let hq = h * group; hq < (h + 1) * group; hq++) {
            const weights = attend(
              row(q, t).subarray(hq * d, (hq + 1) * d),
              keys.slice(0, head.length - T + t + 1),
              d,
            );
            for (let j = 0; j < d; j++)
              row(out, t)[hq * d + j] = weights.reduce((sum, w, i) => sum + w * values[i][j], 0);
            if (!looks || head.length <= looks.unseen) continue;
            const scores = keys
              .slice(0, head.length - looks.unseen)
              .map((key) => dot(row(q, t).subarray(hq * d, (hq + 1) * d), key) / Math.sqrt(d));
            const at = looks.address + (h * 2 * T * group + t * group + (hq - h * group)) * 4;
            const peak = Math.max(...scores);
            f32(at, 1)[0] = peak;
            f32(at + T * group * 4, 1)[0] = scores.reduce((sum, s) => sum + Math.exp(s - peak), 0);
          }
        }
      });
    },

    observe(out, heads, d, type, o: Observation) {
      return perHead(out, heads, o.unscored ?? 0, (head, h, scored) => {
        const looks = looksAt(head, h, heads.length, d, type, o);
        return Array.from({ length: scored }, (_, i) => {
          const seen = looks.map((look) => look[i] ?? 0);
          return o.aggregate === 'max'
            ? Math.max(...seen)
            : seen.reduce((a, b) => a + b, 0) / seen.length;
        });
      });
    },
    observeDefensive(out, heads, d, type, o, size) {
      const half = size >> 1;
      return perHead(out, heads, o.unscored ?? 0, (head, h, scored) => {
        const smoothed = looksAt(head, h, heads.length, d, type, o).map((look) => {
          const seen = Array.from({ length: scored }, (_, i) => look[i] ?? 0);
          const pooled = seen.map(
            (_, i) =>
              seen.slice(Math.max(0, i - half), i + half + 1).reduce((a, b) => a + b, 0) / size,
          );
          const [before, after] = [seen, pooled].map((x) => x.reduce((a, b) => a + b, 0));
          return pooled.map((x) => (after > 0 ? (x * before) / after : 0));
        });
        return Array.from({ length: scored }, (_, i) =>
          Math.max(...smoothed.map((look) => look[i])),
        );
      });
    },
    valueNorms(out, heads, from, d, type, wo) {
      const group = wo.columns / d / heads.length;
      let at = out;
      const counts = heads.map((head, h) => {
        const count = Math.max(0, head.length - from[h]);
        for (let i = 0; i < count; i++) {
          const value = readRow(head.values, from[h] + i, d, type, 'values');
          let sum = 0;
          for (let g = 0; g < group; g++) {
            for (let m = 0; m < wo.rows; m++) {
              let y = 0;
              for (let j = 0; j < d; j++) y += value[j] * row(wo, m)[(h * group + g) * d + j];
              sum += Math.abs(y);
            }
          }
          f32(at, count)[i] = sum / group;
        }
        at += count * 4;
        return count;
      });
      return { address: out, counts };
    },
    expectedAttention(out, _, heads, d, type, queries, count) {
      const group = queries.columns / d / heads.length;
      return perHead(out, heads, 0, (head, h, n) => {
        const sums = new Array<number>(n).fill(0);
        for (let g = 0; g < group; g++) {
          const drawn = Array.from({ length: count }, (__, p) =>
            Array.from(
              { length: d },
              (___, j) => row(queries, p)[(h * group + g) * d + j] / Math.sqrt(d),
            ),
          );
          const mean = Array.from(
            { length: d },
            (__, j) => drawn.reduce((sum, q) => sum + q[j], 0) / count,
          );
          const expected = Array.from({ length: n }, (__, i) => {
            const key = readRow(head.keys, i, d, type);
            // k C k = the variance of q . k
            const variance =
              drawn.reduce(
                (sum, q) => sum + q.reduce((s, x, j) => s + (x - mean[j]) * key[j], 0) ** 2,
                0,
              ) / count;
            return dot(mean, key) + variance / 2;
          });
          const peak = Math.max(...expected);
          const mass = expected.reduce((sum, s) => sum + Math.exp(s - peak), 0);
          expected.forEach((s, i) => {
            sums[i] += Math.exp(s - peak) / mass / group;
          });
        }
        return sums;
      });
    },
    rowNorms: (out, heads, of, d, type) =>
      perHead(out, heads, 0, (head, _, n) => rowsOf(head, of, n, d, type).map(norm)),
    keyCosines: (out, heads, d, type) =>
      perHead(out, heads, 0, (head, _, n) => {
        const keys = rowsOf(head, 'keys', n, d, type);
        const direction = Array.from(
          { length: d },
          (__, j) => keys.reduce((sum, k) => sum + (norm(k) > 0 ? k[j] / norm(k) : 0), 0) / n,
        );
        return keys.map((k) =>
          norm(k) * norm(direction) > 0 ? dot(k, direction) / (norm(k) * norm(direction)) : 0,
        );
      }),
    averagePool(out, scores, size) {
      let at = 0;
      const half = size >> 1;
      for (const n of scores.counts) {
        const from = f32(scores.address + at * 4, n);
        f32(out + at * 4, n).set(
          Array.from(
            { length: n },
            (_, i) =>
              from.subarray(Math.max(0, i - half), i + half + 1).reduce((a, b) => a + b, 0) / size,
          ),
        );
        at += n;
      }
      return { address: out, counts: scores.counts };
    },
    topK(kept, scores, n, k) {
      const numbers = [...f32(scores, n)].map((s) =>
        Number.isNaN(s) ? Number.NEGATIVE_INFINITY : s,
      );
      const order = numbers.map((_, i) => i).sort((a, b) => numbers[b] - numbers[a] || a - b);
      const best = order.slice(0, Math.max(0, Math.min(k, n))).sort((a, b) => a - b);
      i32(kept, best.length).set(best);
      return best.length;
    },
    compactRows(rows, kept, count, rowBytes) {
      const indices = i32(kept, count).slice();
      const all = new Uint8Array(memory);
      indices.forEach((from, i) =>
        all.copyWithin(rows + i * rowBytes, rows + from * rowBytes, rows + (from + 1) * rowBytes),
      );
    },
    kmeansAssign(labels, distances, x, centroids, n, E, known) {
      for (let i = 0; i < n; i++) {
        let best = 0;
        const far = Array.from({ length: E }, (_, e) =>
          row(x, i).reduce((sum, v, j) => sum + (v - row(centroids, e)[j]) ** 2, 0),
        );
        for (let e = 1; e < E; e++) if (far[e] < far[best]) best = e;
        i32(labels, n)[i] = best;
        f32(distances, n)[i] = far[best];
        if (known)
          f32(known.bounds, n)[i] = Math.sqrt(Math.min(...far.filter((_, e) => e !== best)));
      }
    },
    kmeansSum(sums, counts, x, labels, n, E) {
      f32(sums.address, E * x.columns).fill(0);
      i32(counts, E).fill(0);
      for (let i = 0; i < n; i++) {
        const e = i32(labels, n)[i];
        i32(counts, E)[e]++;
        row(sums, e).forEach((_, j, to) => {
          to[j] += row(x, i)[j];
        });
      }
    },
    scratchBytes: () => 0,
    reserveScratch: () => () => {},
    dispose() {},
  };
  return backend;
}
