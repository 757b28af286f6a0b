// Cases of kernels that no contract calls: cached rows one by one, the best of numbers, steps of
// k-means.
import {
  gridBytes,
  isGrouped,
  type RowType,
  rowBytes,
  rowTypeNames,
} from '../../src/backend/dtype.ts';
import {
  decodeRow,
  encodeRow,
  gridAddress,
  unroundedAddress,
} from '../../src/backend/row-codec.ts';
import { groupRows } from './cached-rows.ts';
import type { KernelCase } from './cpu-bench.ts';
import { fitting } from './row-sizes.ts';

/** What is only done to rows that stand alone. */
function aloneCases(type: RowType): KernelCase[] {
  const fit = fitting(type);
  // f16 results may land on the neighbouring half
  const stored = type === 'f16' ? 1e-3 : 1e-6;
  return [
    {
      op: `storeRows ${type}`,
      sizes: [
        [0, 4, 1],
        [1, 1, 1],
        [5, 7, 2],
        [3, 64, 3],
      ],
      tolerance: 0,
      run(b, [n, dim, heads]) {
        const d = fit(dim);
        const at = b.room(n * rowBytes(type, d));
        b.backend.storeRows(at, b.tensor(n, heads * d), heads - 1, n, d, type);
        return [...b.backend.bytes(at, n * rowBytes(type, d))];
      },
    },
    ...(['pairs', 'halves'] as const).map((style): KernelCase => ({
      op: `ropeShift ${style} ${type}`,
      sizes: [
        [0, 4, 4],
        [1, 2, 2],
        [5, 10, 6],
        [3, 64, 64],
      ],
      tolerance: stored,
      run(b, [n, dim, rotated]) {
        const d = fit(dim);
        const bytes = rowBytes(type, d);
        const keys = b.room(n * bytes);
        // by the definition: a tie that one backend rounds up and another down is storeRows' affair
        for (let i = 0; i < n; i++)
          b.backend.write(keys + i * bytes, encodeRow(b.numbers(d), type));
        const table = Float32Array.from({ length: rotated }, (_, j) =>
          j < rotated / 2 ? Math.cos(0.3 * j) : Math.sin(0.3 * (j - rotated / 2)),
        );
        const { address } = b.tensor(1, rotated, table);
        b.backend.ropeShift(keys, { address, rotated, style }, n, d, type);
        return Array.from({ length: n }, (_, i) => [
          ...decodeRow(b.backend.bytes(keys + i * bytes, bytes).slice(), d, type),
        ]).flat();
      },
    })),
  ];
}

/** What is only done to rows whose keys share grids. */
function groupCases(type: RowType): KernelCase[] {
  return (['keys', 'values'] as const).map((side): KernelCase => ({
    op: `groupRows and gatherRows of ${side} ${type}`,
    sizes: [
      [1, 8, 1],
      [40, 64, 32],
      [70, 24, 64],
      [9, 128, 5],
    ],
    tolerance: 0,
    run(b, [n, d, count]) {
      const size = rowBytes(type, d, side);
      const at = b.room(n * size);
      const grid = 2; // rows have 0 and 1
      const restAt = b.room((grid + 1) * gridBytes(type, d) + 4 * d);
      const rest = restAt + (grid + 1) * gridBytes(type, d);
      const rows = { keys: at, values: at, rest };
      const numbers = Array.from({ length: n }, () => b.numbers(d));
      const slot = side === 'keys' ? 0 : 1;
      const given = groupRows(numbers, type, side, { grid: 0, slot });
      given.rows.forEach((row, i) => b.backend.write(at + i * size, row));
      given.grids.forEach((own, g) => b.backend.write(gridAddress(rest, g, d, type), own));
      b.backend.write(unroundedAddress(rest, slot, d), given.unrounded[0]);
      const list = b.room(count * 4);
      b.backend.ints(list, count).set(Array.from({ length: count }, (_, i) => (i * 7) % n));
      b.backend.groupRows(rows, list, b.tensor(count, d).address, grid, count, d, type, side);
      const all = b.room(n * 4);
      b.backend.ints(all, n).set(Array.from({ length: n }, (_, i) => i));
      const out = b.empty(n, d);
      b.backend.gatherRows(out.address, rows, all, n, d, type, side);
      return [
        ...b.read(out, n),
        ...(side === 'keys'
          ? b.backend.bytes(gridAddress(rest, grid, d, type), gridBytes(type, d))
          : []),
      ];
    },
  }));
}

export const kernelCases: readonly KernelCase[] = [
  ...rowTypeNames.flatMap((type) => (isGrouped(type) ? groupCases(type) : aloneCases(type))),
  {
    op: 'topK',
    sizes: [
      [0, 3],
      [1, 0],
      [5, 9],
      [7, 3],
      [64, 63],
      [1000, 17],
      [1000, 999],
    ],
    tolerance: 0,
    run(b, [n, k]) {
      const scores = b.tensor(1, n);
      const numbers = b.backend.floats(scores.address, n);
      // ties, infinities and what is no number
      for (let i = 0; i < n; i++)
        numbers[i] =
          i % 7 === 0
            ? 0.5
            : i % 31 === 0
              ? Number.POSITIVE_INFINITY
              : i % 97 === 0
                ? Number.NaN
                : i % 53 === 0
                  ? Number.NEGATIVE_INFINITY
                  : numbers[i];
      const kept = b.room(Math.min(n, k) * 4);
      return [...b.backend.ints(kept, b.backend.topK(kept, scores.address, n, k))];
    },
  },
  {
    op: 'compactRows',
    sizes: [
      [5, 0, 4],
      [1, 1, 3],
      [9, 4, 7],
      [64, 33, 16],
      [100, 100, 5],
    ],
    tolerance: 0,
    run(b, [n, count, rowBytes]) {
      const at = b.room(n * rowBytes);
      b.backend.write(
        at,
        Uint8Array.from({ length: n * rowBytes }, () => b.whole(256)),
      );
      const kept = b.room(count * 4);
      const order = Array.from({ length: n }, (_, i) => i);
      while (order.length > count) order.splice(b.whole(order.length), 1);
      b.backend.ints(kept, count).set(order);
      b.backend.compactRows(at, kept, count, rowBytes);
      return [...b.backend.bytes(at, count * rowBytes)];
    },
  },
  {
    op: 'kmeans',
    sizes: [
      [1, 1, 1],
      [9, 3, 5],
      [40, 8, 64],
      [7, 7, 33],
    ],
    tolerance: 1e-5,
    run(b, [n, E, d]) {
      const [x, c, sums] = [b.tensor(n, d), b.tensor(E, d), b.empty(E, d)];
      const [labels, distances, counts] = [b.room(n * 4), b.room(n * 4), b.room(E * 4)];
      b.backend.kmeansAssign(labels, distances, x, c, n, E);
      b.backend.kmeansSum(sums, counts, x, labels, n, E);
      return [
        ...b.backend.ints(labels, n),
        ...b.backend.floats(distances, n),
        ...b.read(sums, E),
        ...b.backend.ints(counts, E),
      ];
    },
  },
  {
    op: 'kmeans, from one step to the next',
    sizes: [
      [9, 1, 5],
      [60, 5, 8],
      [41, 16, 33],
    ],
    tolerance: 1e-5,
    run(b, [n, E, d]) {
      const [x, c] = [b.tensor(n, d), b.tensor(E, d)];
      const [labels, distances, bounds, moved] = [
        b.room(n * 4),
        b.room(n * 4),
        b.room(n * 4),
        b.room(E * 4),
      ];
      const found: number[] = [];
      for (let step = 0; step < 4; step++) {
        b.backend.kmeansAssign(
          labels,
          distances,
          x,
          c,
          n,
          E,
          step === 0 ? { bounds } : { bounds, moved },
        );
        found.push(...b.backend.ints(labels, n), ...b.backend.floats(distances, n));
        for (let e = 0; e < E; e++) {
          const by = b.numbers(d).map((v) => v / (4 << step));
          const center = b.backend.floats(c.address + e * d * 4, d);
          const before = center.slice();
          center.forEach((v, j) => (center[j] = v + by[j]));
          b.backend.floats(moved, E)[e] =
            Math.hypot(...center.map((v, j) => v - before[j])) * 1.00001;
        }
      }
      return found;
    },
  },
];
