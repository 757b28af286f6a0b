// One case an operation: sizes that hurt (0, 1, around the tiles of 4 and 8 rows and of 64 cached
// rows, primes), how far a result may be from the f64 reference, and how to run it. Used for every
// backend and build, and by the benches.
import type { ScratchShape } from '../../src/backend/backend.ts';
import type { CpuBackend, HeadRows } from '../../src/backend/cpu/memory.ts';
import {
  gridBytes,
  isGrouped,
  isQuantized,
  QUANTIZED_MULTIPLE,
  type RowSide,
  type RowType,
  rowBytes,
  rowTypeNames,
  rowTypes,
  weightRowBytes,
  weightTypes,
  type WeightType,
} from '../../src/backend/dtype.ts';
import type { Address, Scores, Tensor, Weight } from '../../src/backend/tensor.ts';
import type { Training } from '../../src/backend/training.ts';
import { createRandom } from '../../src/math/rng.ts';
import {
  encodeGroup,
  encodeRow,
  gridAddress,
  quantize,
  tailOf,
  unroundedAddress,
} from '../../src/backend/row-codec.ts';
import { countsOf, rowsOf, scoresOf } from '../rows.ts';
import { floatToHalf } from '../../src/math/half.ts';

/** Bytes around every buffer that nobody may touch. */
const GUARD = 64;
const GUARD_BYTE = 0xa5;

/** Puts the same inputs into any backend's memory, and remembers the guards around them. */
export class Bench {
  readonly backend: CpuBackend;
  #random: () => number;
  #guards: [Address, number][] = [];

  constructor(backend: CpuBackend, seed: number) {
    this.backend = backend;
    this.#random = createRandom(seed);
  }

  get training(): Training {
    const { training, name } = this.backend;
    if (!training) throw new Error(`backend ${name} cannot train`);
    return training;
  }

  /** Normal numbers, now and then a large one or a zero. */
  numbers(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => {
      const r = this.#random();
      const n =
        Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
      return r < 0.02 ? 0 : r < 0.03 ? 20 * n : n;
    });
  }

  whole(below: number): number {
    return Math.floor(this.#random() * below);
  }

  /** A guarded region. */
  room(bytes: number): Address {
    const at = this.backend.arena.allocate(bytes + 2 * GUARD);
    this.backend.bytes(at, bytes + 2 * GUARD).fill(GUARD_BYTE);
    this.#guards.push([at, bytes]);
    return at + GUARD;
  }

  tensor(rows: number, columns: number): Tensor {
    const address = this.room(rows * columns * 4);
    this.backend.floats(address, rows * columns).set(this.numbers(rows * columns));
    return { address, columns };
  }

  empty(rows: number, columns: number): Tensor {
    return { address: this.room(rows * columns * 4), columns };
  }

  weight(type: WeightType, rows: number, columns: number): Weight {
    const weight = {
      address: this.room(this.backend.weightBytes(type, rows, columns)),
      type,
      rows,
      columns,
    };
    const rowBytes = weightRowBytes(type, columns);
    const file = new Uint8Array(rows * rowBytes);
    for (let i = 0; i < file.length; i++) file[i] = this.whole(256);
    // random quants are fine, random scales are not: halves get moderate values, floats are written
    // as such
    const view = new DataView(file.buffer);
    const blockBytes = weightRowBytes(type, type.elements);
    for (let at = 0; at < file.length; at += blockBytes) {
      if (type.name === 'f32') view.setFloat32(at, this.numbers(1)[0], true);
      else if (type.name === 'bf16')
        view.setUint16(at, 0x3c00 | (this.whole(2) << 15) | this.whole(0x3ff), true);
      else {
        for (let h = 0; h < type.head; h++)
          view.setUint16(at + 2 * h, floatToHalf(this.numbers(1)[0] / 16), true);
        for (let h = 0; h < type.tail; h++)
          view.setUint16(at + blockBytes - 2 * (h + 1), floatToHalf(this.numbers(1)[0] / 64), true);
      }
    }
    for (let r = 0; r < rows; r += 4)
      this.backend.packRows(
        weight,
        r,
        Math.min(4, rows - r),
        file.slice(r * rowBytes, Math.min(rows, r + 4) * rowBytes),
      );
    return weight;
  }

  heads(lengths: readonly number[], d: number, type: RowType): HeadRows[] {
    return lengths.map((length) => {
      const rest = isGrouped(type) ? this.restRoom(2, d, type) : 0;
      const [keys, values] = (['keys', 'values'] as const).map((side) => {
        const bytes = rowBytes(type, d, side);
        const at = this.room(length * bytes);
        if (isGrouped(type)) {
          this.groupedRows(length, d, type, side, rest).forEach((row, i) =>
            this.backend.write(at + i * bytes, row),
          );
          return at;
        }
        // by the definition: a tie that one backend rounds up and another down is storeRows' affair
        for (let i = 0; i < length; i++)
          this.backend.write(at + i * bytes, encodeRow(this.numbers(d), type));
        return at;
      });
      return {
        keys,
        values,
        rest,
        tokens: this.room(length * 4),
        state: this.room(length * 4),
        length,
      };
    });
  }

  /** Where rows count from that name so many grids, a key and a value. */
  restRoom(grids: number, d: number, type: RowType): Address {
    return this.room(grids * gridBytes(type, d) + 4 * d) + grids * gridBytes(type, d);
  }

  /**
   * Rows of a type whose keys share grids: two groups, of rows turn about, and a last row that is
   * not rounded.
   */
  groupedRows(
    length: number,
    d: number,
    type: RowType,
    side: RowSide,
    rest: Address,
  ): Uint8Array[] {
    const numbers = Array.from({ length }, () => this.numbers(d));
    const rows: Uint8Array[] = new Array(length);
    const rounded = (i: number) => i < length - 1;
    for (const odd of [0, 1]) {
      const members = numbers.flatMap((_, i) => (i % 2 === odd && rounded(i) ? [i] : []));
      if (members.length === 0) continue;
      const group = encodeGroup(
        members.map((i) => numbers[i]),
        type,
        odd,
      );
      if (side === 'keys') this.backend.write(gridAddress(rest, odd, d, type), group.grid);
      members.forEach((i, m) => {
        rows[i] =
          side === 'keys'
            ? group.rows[m]
            : quantize([...numbers[i]], Math.ceil(rowTypes[type].bits) as 3 | 4 | 8);
      });
    }
    numbers.forEach((row, i) => {
      if (rounded(i)) return;
      const number = side === 'keys' ? 0 : 1;
      this.backend.write(unroundedAddress(rest, number, d), encodeRow(row, 'f16'));
      rows[i] = new Uint8Array(rowBytes(type, d, side));
      new DataView(rows[i].buffer).setUint32(rows[i].length - 4, tailOf(number, false), true);
    });
    return rows;
  }

  /** Throws where something outside a region was written. */
  checkGuards(): void {
    for (const [at, bytes] of this.#guards) {
      for (const from of [at, at + GUARD + bytes]) {
        if (this.backend.bytes(from, GUARD).some((b) => b !== GUARD_BYTE))
          throw new Error(`bytes around a region of ${bytes} were written`);
      }
    }
  }

  read(tensor: Tensor | Weight, rows: number): number[] {
    if ('type' in tensor) return this.#readWeight(tensor, rows);
    return [...this.backend.floats(tensor.address, rows * tensor.columns)];
  }

  /** Rows of a packed weight: as an embedding table gives them. */
  #readWeight(weight: Weight, rows: number): number[] {
    const { arena } = this.backend;
    const ids = arena.allocate(rows * 4);
    const y = { address: arena.allocate(rows * weight.columns * 4), columns: weight.columns };
    this.backend.ints(ids, rows).set(Array.from({ length: rows }, (_, i) => i));
    this.backend.embed(y, weight, ids, rows);
    const numbers = this.read(y, rows);
    arena.free(y.address);
    arena.free(ids);
    return numbers;
  }

  scores(scores: Scores): number[] {
    return [
      ...this.backend.floats(
        scores.address,
        countsOf(scores).reduce((a, b) => a + b, 0),
      ),
      ...countsOf(scores),
    ];
  }
}

/** The scratch that every case finds enough. */
export const opScratch: ScratchShape = {
  tokens: 8,
  queryHeads: 8,
  kvHeads: 1,
  headDim: 128,
  width: 2048,
  clusters: 16,
  training: true,
};

export interface OpCase {
  readonly op: string;
  readonly sizes: readonly (readonly number[])[];
  /**
   * Largest difference from the reference, relative to the largest number of the result (or 1). 0 =
   * the same.
   */
  readonly tolerance: number;
  run(b: Bench, size: readonly number[]): number[];
}

const rows: readonly RowType[] = rowTypeNames;
const shapes = [
  [0, 1, 1],
  [1, 1, 2],
  [3, 7, 5],
  [5, 8, 64],
  [4, 9, 33],
]; // n, and two more

function weightCases(): OpCase[] {
  return weightTypes.flatMap((type): OpCase[] => {
    const k = type.elements;
    const columns = k === 1 ? [1, 7, 513, 1030] : [k, 3 * k, k === 32 ? 544 : 2 * k];
    const sizes = columns.flatMap((c, i) => [
      [1, 1, c],
      [i + 2, 8, c],
      [5, 9, c],
      [4, 19, c],
    ]);
    return [
      {
        // quantised weights meet x rounded to 16 bits in blocks, and a sum may cancel to far less
        // than its parts
        op: `linear ${type.name}`,
        sizes: [[0, 3, k], ...sizes],
        tolerance: type.elements === 1 ? 1e-5 : type.elements === 32 ? 1e-3 : 4e-3,
        run(b, [n, m, c]) {
          const [w, x, y] = [b.weight(type, m, c), b.tensor(n, c), b.empty(n, m)];
          b.backend.linear([[y, w]], x, n);
          return b.read(y, n);
        },
      },
      {
        op: `linearOne ${type.name}`,
        sizes: sizes.map(([, m, c]) => [m, c]),
        tolerance: 1e-3,
        run(b, [m, c]) {
          const [w, x, y] = [b.weight(type, m, c), b.tensor(1, c), b.empty(1, m)];
          b.backend.linearOne([[y, w]], x);
          return b.read(y, 1);
        },
      },
      {
        op: `valueNorms ${type.name}`,
        sizes: [
          [8, 1, 1, 3],
          [32, 2, 3, 65],
          [64, 3, 8, 7],
          [64, 2, 9, 7],
          [128, 4, 3, 66],
        ].filter(([d, group]) => (d * group * 2) % k === 0 || k === 1),
        tolerance: 1e-5,
        run(b, [d, group, m, n]) {
          const heads = b.heads([n, n + 2], d, 'f16');
          const wo = b.weight(type, m, 2 * group * d);
          return b.scores(
            b.backend.valueNorms(b.room(8 * (n + 2)), rowsOf(heads, d, 'f16'), [0, 3], wo),
          );
        },
      },
      {
        op: `embed ${type.name}`,
        sizes: [
          [0, 3, k],
          [1, 1, k],
          [5, 11, 2 * k],
        ],
        tolerance: 1e-6,
        run(b, [n, m, c]) {
          const [w, y, ids] = [b.weight(type, m, c), b.empty(n, c), b.room(n * 4)];
          b.backend.ints(ids, n).set(Array.from({ length: n }, () => b.whole(m)));
          b.backend.embed(y, w, ids, n);
          return b.read(y, n);
        },
      },
    ];
  });
}

/** A head dimension that a type can have. */
const fitting = (type: RowType) => (d: number) =>
  isQuantized(type) ? Math.ceil(d / QUANTIZED_MULTIPLE) * QUANTIZED_MULTIPLE : d;

/** What is only done to rows that stand alone. */
function aloneCases(type: RowType): OpCase[] {
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
    ...(['pairs', 'halves'] as const).map((style): OpCase => ({
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
        const [head] = b.heads([n], d, type);
        const angles = { address: b.room(rotated * 4), rotated, style };
        b.backend
          .floats(angles.address, rotated)
          .set(
            Array.from({ length: rotated }, (_, j) =>
              j < rotated / 2 ? Math.cos(0.3 * j) : Math.sin(0.3 * (j - rotated / 2)),
            ),
          );
        b.backend.ropeShift(head.keys, angles, n, d, type);
        const back = b.empty(1, Math.max(1, n));
        return b
          .scores(b.backend.rowNorms(back.address, rowsOf([head], d, type), 'keys'))
          .concat(b.scores(b.backend.keyCosines(back.address, rowsOf([head], d, type))));
      },
    })),
  ];
}

/** What is only done to rows whose keys share grids. */
function groupCases(type: RowType): OpCase[] {
  return (['keys', 'values'] as const).map((side): OpCase => ({
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
      const rows = { keys: at, values: at, rest: b.restRoom(grid + 1, d, type) };
      b.groupedRows(n, d, type, side, rows.rest).forEach((row, i) =>
        b.backend.write(at + i * size, row),
      );
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
          ? b.backend.bytes(gridAddress(rows.rest, grid, d, type), gridBytes(type, d))
          : []),
      ];
    },
  }));
}

function rowCases(type: RowType): OpCase[] {
  const fit = fitting(type);
  const lengths = [[1], [3, 5], [64, 65], [130, 7]]; // rows of each kv head
  // rows on shared grids are widened first and then like any others: fewer sizes do
  const dims = isGrouped(type) ? [24] : isQuantized(type) ? [8, 24, 64, 96] : [4, 7, 64];
  const observed = lengths.flatMap((l) =>
    dims.flatMap((d) =>
      (isGrouped(type) ? [3] : [1, 3]).map((group) => [d, group, Math.min(3, ...l), ...l]),
    ),
  );
  const watch = (causal: boolean, aggregate: 'mean' | 'max', unscored: number): OpCase => ({
    op: `observe ${causal ? 'causal' : 'all'} ${aggregate}${unscored ? ' unscored' : ''} ${type}`,
    sizes: observed,
    tolerance: 3e-6,
    run(b, [dim, group, count, ...l]) {
      const d = fit(dim);
      const heads = b.heads(l, d, type);
      const queries = b.tensor(count, l.length * group * d);
      const scores = b.backend.observe(
        b.room(4 * l.reduce((x, y) => x + y, 0)),
        rowsOf(heads, d, type),
        {
          queries,
          count,
          causal,
          aggregate,
          unscored: Math.min(unscored, ...l),
        },
      );
      return b.scores(scores);
    },
  });
  return [
    {
      op: `attention ${type}`,
      // one token alone goes a way of its own: heads of every number, rows around a tile
      sizes: [
        ...observed,
        ...dims.flatMap((d) =>
          (isGrouped(type) ? [5] : [1, 2, 4, 5, 8]).map((group) => [d, group, 1, 1, 65, 130]),
        ),
      ],
      tolerance: 3e-6,
      run(b, [dim, group, T, ...l]) {
        const d = fit(dim);
        const heads = b.heads(l, d, type);
        const [q, out] = [b.tensor(T, l.length * group * d), b.empty(T, l.length * group * d)];
        b.backend.attention(out, q, rowsOf(heads, d, type), T);
        return b.read(out, T);
      },
    },
    {
      op: `attention in a window ${type}`,
      // blocks and one token alone, windows of one row, of some tiles, wider than all; tokens with
      // gaps between them
      sizes: dims.flatMap((d) => [
        [1, d, 3, 5, 5, 64],
        [3, d, 2, 40, 65, 200],
        [70, d, 2, 9, 9, 200],
        [130, d, 5, 1, 1, 200],
        [1000, d, 1, 3, 65, 3],
      ]),
      tolerance: 3e-6,
      run(b, [window, dim, group, T, ...l]) {
        const d = fit(dim);
        const heads = b.heads(l, d, type);
        for (const { tokens, length } of heads) {
          let token = 0;
          const numbers = Int32Array.from(
            { length },
            () => (token += b.whole(4) === 0 ? 1 + b.whole(9) : 1),
          );
          b.backend.write(tokens, numbers);
        }
        const [q, out] = [b.tensor(T, l.length * group * d), b.empty(T, l.length * group * d)];
        b.backend.attention(out, q, rowsOf(heads, d, type), T, undefined, window);
        return b.read(out, T);
      },
    },
    // also where rows that do not count score so high that others vanish beside them
    ...[1, 40].map((steep): OpCase => ({
      op: `attention and observe by what it left${steep > 1 ? ', steep' : ''} ${type}`,
      sizes: observed.filter(([, , T, ...l]) => l.every((n) => n > T + 1)),
      tolerance: steep * 3e-6,
      run(b, [dim, group, T, ...l]) {
        const d = fit(dim);
        const heads = b.heads(l, d, type);
        const [queries, out] = [
          b.tensor(T, l.length * group * d),
          b.empty(T, l.length * group * d),
        ];
        b.backend.floats(queries.address, T * queries.columns).forEach((x, i, q) => {
          q[i] = steep * x;
        });
        const looks = { address: b.room(2 * T * group * l.length * 4), unseen: T + 1 };
        b.backend.attention(out, queries, rowsOf(heads, d, type), T, looks);
        const before = heads.map((head) => ({ ...head, length: head.length - looks.unseen }));
        const scores = (['mean', 'max'] as const).flatMap((aggregate) =>
          b.scores(
            b.backend.observe(b.room(4 * l.reduce((x, y) => x + y, 0)), rowsOf(before, d, type), {
              queries,
              count: T,
              causal: false,
              aggregate,
              looks,
            }),
          ),
        );
        const worst = b.room(4 * l.reduce((x, y) => x + y, 0));
        scores.push(
          ...b.scores(
            b.backend.observeWorst(
              worst,
              rowsOf(before, d, type),
              { queries, count: T, causal: false, looks },
              5,
            ),
          ),
        );
        return [...b.read(out, T), ...scores];
      },
    })),
    ...[1, 5, 9].map((size): OpCase => ({
      op: `observeWorst ${size} ${type}`,
      sizes: observed,
      tolerance: 2e-5,
      run(b, [dim, group, count, ...l]) {
        const d = fit(dim);
        const heads = b.heads(l, d, type);
        const queries = b.tensor(count, l.length * group * d);
        const out = b.room(4 * l.reduce((x, y) => x + y, 0));
        return b.scores(
          b.backend.observeWorst(
            out,
            rowsOf(heads, d, type),
            { queries, count, causal: true, unscored: size === 9 ? 0 : count },
            size,
          ),
        );
      },
    })),
    watch(true, 'mean', 0),
    watch(true, 'mean', 2),
    watch(true, 'max', 0),
    watch(false, 'max', 0),
    watch(false, 'mean', 0),
    ...(isGrouped(type) ? groupCases(type) : aloneCases(type)),
    {
      op: `expectedAttention ${type}`,
      sizes: [
        [1, 1, 1, 1],
        [3, 2, 7, 4, 9],
        [5, 3, 64, 65, 1, 64],
        [64, 1, 32, 130],
      ],
      tolerance: 2e-5,
      run(b, [P, group, dim, ...lengths]) {
        const d = fit(dim);
        const q = b.tensor(P, lengths.length * group * d);
        const n = lengths.reduce((x, y) => x + y, 0);
        return b.scores(
          b.backend.expectedAttention(
            b.room(n * 4),
            b.room(n * 4),
            rowsOf(b.heads(lengths, d, type), d, type),
            q,
            P,
          ),
        );
      },
    },
    ...(['keys', 'values', 'keyCosines'] as const).map((of): OpCase => ({
      op: of === 'keyCosines' ? `${of} ${type}` : `rowNorms of ${of} ${type}`,
      sizes: [
        [1, 1],
        [4, 7, 3],
        [64, 65, 64],
        [7, 130, 1],
      ],
      tolerance: 3e-6,
      run(b, [dim, ...l]) {
        const d = fit(dim);
        const heads = b.heads(l, d, type);
        const out = b.room(4 * l.reduce((x, y) => x + y, 0));
        return b.scores(
          of === 'keyCosines'
            ? b.backend.keyCosines(out, rowsOf(heads, d, type))
            : b.backend.rowNorms(out, rowsOf(heads, d, type), of),
        );
      },
    })),
  ];
}

export const opCases: readonly OpCase[] = [
  ...weightCases(),
  ...rows.flatMap(rowCases),
  {
    op: 'rmsNorm',
    sizes: [
      [0, 4],
      [1, 1],
      [3, 7],
      [5, 64],
      [2, 1025],
    ],
    tolerance: 1e-6,
    run(b, [n, d]) {
      const [x, w, y] = [b.tensor(n, d), b.tensor(1, d), b.empty(n, d)];
      b.backend.rmsNorm(y, x, w, n, 1e-5);
      b.backend.rmsNorm(x, x, w, n, 1e-5);
      return [...b.read(y, n), ...b.read(x, n)];
    },
  },
  ...(['swiglu', 'geglu'] as const).map((op): OpCase => ({
    op,
    sizes: shapes.map(([n, c]) => [n, c]),
    tolerance: 1e-6,
    run(b, [n, c]) {
      const [g, u] = [b.tensor(n, c), b.tensor(n, c)];
      b.backend[op](g, g, u, n);
      return b.read(g, n);
    },
  })),
  {
    op: 'scale',
    sizes: shapes.map(([n, c]) => [n, c]),
    tolerance: 1e-7,
    run(b, [n, c]) {
      const y = b.tensor(n, c);
      b.backend.scale(y, 33.94, n);
      return b.read(y, n);
    },
  },
  {
    op: 'add',
    sizes: shapes.map(([n, c]) => [n, c]),
    tolerance: 0,
    run(b, [n, c]) {
      const [x, y] = [b.tensor(n, c), b.tensor(n, c)];
      b.backend.add(x, y, n);
      return b.read(x, n);
    },
  },
  ...(['pairs', 'halves'] as const).map((style): OpCase => ({
    op: `rope ${style}`,
    sizes: [
      [0, 1, 4, 4],
      [1, 1, 2, 2],
      [3, 2, 10, 6],
      [5, 3, 64, 64],
      [2, 1, 7, 4],
    ],
    tolerance: 1e-6,
    run(b, [n, heads, d, rotated]) {
      const x = b.tensor(n, heads * d);
      const angles = { ...b.tensor(n, rotated), rotated, style };
      b.backend.rope(x, angles, n, heads, d);
      return b.read(x, n);
    },
  })),
  {
    op: 'averagePool',
    sizes: [
      [5, 0],
      [1, 4],
      [3, 1, 2],
      [5, 7, 64],
      [7, 3, 3],
    ],
    tolerance: 1e-6,
    run(b, [size, ...counts]) {
      const n = counts.reduce((x, y) => x + y, 0);
      const from = b.tensor(1, n);
      return b.scores(b.backend.averagePool(b.room(n * 4), scoresOf(from.address, counts), size));
    },
  },
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
