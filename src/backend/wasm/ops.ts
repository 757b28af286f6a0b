// The WebAssembly backend: each operation of backend.ts as calls of kernels. It loops over heads,
// and cuts operations into calls that threads can share (schedule.ts); no numbers here. Cutting
// changes no result: every sum is made within one call, in the same order.
import type { Arena } from '../arena.ts';
import type { Backend, Observation, ScratchShape } from '../backend.ts';
import {
  isGrouped,
  isQuantized,
  type RowType,
  rowBytes,
  rowCode,
  type WeightName,
  weightRowBytes,
} from '../dtype.ts';
import type { HeadRows, Scores, Tensor } from '../tensor.ts';
import { type Call, SCRATCH } from './board.ts';
import type { Core, Kernels } from './core.ts';
import type { Schedule, ScratchSize } from './schedule.ts';
import type { Team } from './team.ts';

type Gather = Kernels['gather_f32'];

/** A weight's rows are padded to whole panels of the gemm. */
const PANEL_ROWS = 8;
const GROUP_ROWS = 4;
/** Cached rows that kernels take at a time: TILE of assembly/rows.ts. */
const TILE_ROWS = 64;
/** Rows whose value norms are computed at a time: ABS_ROWS of assembly/dense.ts. */
const VALUE_ROWS = 64;

/** Float weights multiply x as it is; the others want it as quantize_i16 leaves it. */
const floatWeights: ReadonlySet<WeightName> = new Set(['f32', 'f16', 'bf16']);
/** Weights whose products of many rows are made in f32: q6_k's scales go by 16 elements. */
const floatProducts: ReadonlySet<WeightName> = new Set([...floatWeights, 'q6_k']);

/**
 * Queries that attention takes at a time: enough that unpacking a tile of keys for them costs
 * little, few enough that their state is small.
 */
const QUERY_ROWS = 32;
/** Multiply-adds that an element of normalising, rotating and gating counts as. */
const ELEMENT_WORK = 8;

/** A backend, and the threads beside this one that work on it. */
export interface WasmBackend extends Backend {
  readonly team?: Team;
}

/** The operations on a core's memory. */
export function createOps(core: Core, arena: Arena, schedule: Schedule): WasmBackend {
  const { kernels, memory } = core;
  const { numbers, share, parts, scratch, team } = schedule;
  const gather = (type: WeightName) => kernels[`gather_${type}`] as Gather;

  const scratchOf = ({
    tokens,
    queryHeads,
    kvHeads,
    headDim,
    width,
    clusters = 0,
  }: ScratchShape): ScratchSize => {
    const group = queryHeads / kvHeads;
    const line = (bytes: number) => Math.ceil(bytes / 64) * 64;
    return {
      // i16 activations, scales and sums; or the sums of observers
      common: line(tokens * Math.max(width * 2 + width / 4, 8 * queryHeads) + 64),
      own: line(
        Math.max(
          kernels.gemm_scratch(),
          kernels.gemm_integer_scratch(),
          kernels.attention_scratch(Math.min(tokens, QUERY_ROWS), group, headDim),
          kernels.observe_scratch(tokens, group, headDim),
          kernels.defensive_scratch(tokens, group, headDim),
          kernels.expect_scratch(tokens, group, headDim),
          kernels.abs_sums_scratch() + VALUE_ROWS * headDim * 4,
          kernels.rows_scratch(headDim) + headDim * 4,
          kernels.top_k_scratch(),
          clusters > 0 ? kernels.kmeans_scratch(clusters, width) : 0,
        ),
      ),
    };
  };

  /** Calls `each` for every head with the address of its first score. */
  function scoreHeads(
    out: number,
    heads: readonly HeadRows[],
    unscored: number,
    each: (head: HeadRows, to: number, scored: number, h: number) => void,
  ): Scores {
    const counts: number[] = [];
    let to = out;
    for (let h = 0; h < heads.length; h++) {
      const scored = heads[h].length - unscored;
      if (scored > 0) each(heads[h], to, scored, h);
      counts.push(scored);
      to += scored * 4;
    }
    return { address: out, counts };
  }

  /**
   * Attention of observers, aggregated: their sums cut by queries (unless attention left them),
   * then scores cut by rows.
   */
  function observe(
    out: number,
    heads: readonly HeadRows[],
    d: number,
    type: RowType,
    o: Observation,
  ): Scores {
    const { queries, count, causal, aggregate, unscored = 0, looks } = o;
    const group = queries.columns / d / heads.length;
    const [code, sees, how] = [rowCode(type), causal ? 1 : 0, aggregate === 'max' ? 1 : 0];
    const sumsOf = (h: number) => (looks?.address ?? scratch.common) + h * 2 * count * group * 4;
    const lookingOf = (h: number, p = 0) =>
      queries.address + h * group * d * 4 + p * queries.columns * 4;
    const work = heads.reduce((sum, { length }) => sum + count * group * length * d, 0);
    if (!looks) {
      const calls = heads.flatMap(({ keys, length }, h) =>
        length <= unscored
          ? []
          : parts(count, 1, work / heads.length, (p, some) => {
              const n = causal ? length - count + p + some : length;
              const to = sumsOf(h) + p * group * 4;
              return [
                numbers.observe_sums,
                to,
                lookingOf(h, p),
                keys,
                SCRATCH,
                some,
                group,
                n,
                d,
                queries.columns,
                sees,
                code,
                count * group,
              ];
            }),
      );
      share(calls, work);
    }
    const calls: Call[] = [];
    const scores = scoreHeads(out, heads, unscored, ({ keys, length }, to, scored, h) => {
      const call = (i: number, some: number) => [
        numbers.observe,
        to + i * 4,
        lookingOf(h),
        keys,
        SCRATCH,
        count,
        group,
        length,
        i,
        some,
        d,
        queries.columns,
        sees,
        how,
        code,
        sumsOf(h),
      ];
      calls.push(...parts(scored, TILE_ROWS, work / heads.length, call));
    });
    share(calls, work);
    return scores;
  }

  /**
   * x [n, x.columns] as i16 in blocks of 32, with their scales and sums: where those are, until the
   * next product.
   */
  function roundInput(x: Tensor, n: number): [q: number, scales: number, sums: number] {
    const k = x.columns;
    const [scales, sums] = [scratch.common + n * k * 2, scratch.common + n * k * 2 + (n * k) / 8];
    const call = (i: number, count: number) => [
      numbers.quantize_i16,
      scratch.common + i * k * 2,
      scales + (i * k) / 8,
      sums + (i * k) / 8,
      x.address + i * k * 4,
      count * k,
    ];
    share(parts(n, 1, n * k * ELEMENT_WORK, call), n * k * ELEMENT_WORK);
    return [scratch.common, scales, sums];
  }

  const backend: WasmBackend = {
    name: 'wasm',
    build: core.build,
    get threads() {
      return team?.running ?? 1;
    },
    team,
    arena,
    write(address, bytes) {
      new Uint8Array(memory.buffer, address, bytes.length).set(bytes);
    },
    moveBytes(to, from, count) {
      new Uint8Array(memory.buffer).copyWithin(to, from, from + count);
    },
    bytes: (address, count) => new Uint8Array(memory.buffer, address, count),
    floats: (address, count) => new Float32Array(memory.buffer, address, count),
    ints: (address, count) => new Int32Array(memory.buffer, address, count),

    weightBytes: (type, rows, columns) =>
      Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS * weightRowBytes(type, columns),
    packRows(weight, row, count, file) {
      const { type, columns } = weight;
      const rowBytes = weightRowBytes(type, columns);
      const staging = arena.allocate(count * rowBytes);
      try {
        backend.write(staging, file);
        for (let r = 0; r < count; r += GROUP_ROWS) {
          const rows = Math.min(GROUP_ROWS, count - r);
          kernels.pack_group(
            weight.address + (row + r) * rowBytes,
            staging + r * rowBytes,
            rows,
            columns / type.elements,
            type.head,
            type.words,
            type.tail,
          );
        }
        const packed = Math.ceil((row + count) / GROUP_ROWS) * GROUP_ROWS;
        const padded = Math.ceil(weight.rows / PANEL_ROWS) * PANEL_ROWS;
        if (row + count === weight.rows && packed < padded)
          backend.bytes(weight.address + packed * rowBytes, (padded - packed) * rowBytes).fill(0);
      } finally {
        arena.free(staging);
      }
    },

    embed(y, table, ids, n) {
      gather(table.type.name)(y.address, table.address, ids, scratch.own, n, table.columns);
    },
    rmsNorm(y, x, w, n, eps) {
      const d = w.columns;
      const work = n * d * ELEMENT_WORK;
      const call = (i: number, count: number) => [
        numbers.rms_norm,
        y.address + i * d * 4,
        x.address + i * d * 4,
        w.address,
        count,
        d,
        eps,
      ];
      share(parts(n, 1, work, call), work);
    },
    linear(products, x, n) {
      const k = x.columns;
      const rows = products.reduce((sum, [, w]) => sum + w.rows, 0);
      const total = n * rows * k;
      const rounded = products.some(([, w]) => !floatProducts.has(w.type.name))
        ? roundInput(x, n)
        : [];
      const calls = products.flatMap(([y, w]) => {
        const { name } = w.type;
        const number = numbers[`gemm_${name}`];
        const rowBytes = weightRowBytes(w.type, k);
        const call = floatProducts.has(name)
          ? (row: number, count: number) => [
              number,
              y.address + row * 4,
              x.address,
              w.address + row * rowBytes,
              SCRATCH,
              n,
              count,
              k,
              y.columns,
              k,
            ]
          : (row: number, count: number) => [
              number,
              y.address + row * 4,
              ...rounded,
              w.address + row * rowBytes,
              SCRATCH,
              n,
              count,
              k,
              y.columns,
            ];
        return parts(w.rows, PANEL_ROWS, total, call, rows);
      });
      share(calls, total);
    },
    linearOne(products, x) {
      const k = x.columns;
      const rows = products.reduce((sum, [, w]) => sum + w.rows, 0);
      const total = rows * k;
      const rounded = products.some(([, w]) => !floatWeights.has(w.type.name))
        ? roundInput(x, 1)
        : [];
      const calls = products.flatMap(([y, w]) => {
        const { name } = w.type;
        const number = numbers[`gemv_${name}`];
        const input = floatWeights.has(name) ? [x.address] : rounded;
        const rowBytes = weightRowBytes(w.type, k);
        const call = (row: number, count: number) => [
          number,
          y.address + row * 4,
          ...input,
          w.address + row * rowBytes,
          count,
          k,
        ];
        return parts(w.rows, PANEL_ROWS, total, call, rows);
      });
      share(calls, total);
    },
    add(y, x, n) {
      const c = y.columns;
      const work = n * c * ELEMENT_WORK;
      share(
        parts(n, 1, work, (i, count) => [
          numbers.add_rows,
          y.address + i * c * 4,
          x.address + i * c * 4,
          count,
          c,
          c,
        ]),
        work,
      );
    },
    addBias(y, bias, n) {
      kernels.add_rows(y.address, bias.address, n, y.columns, 0);
    },
    swiglu(y, gate, up, n) {
      const c = y.columns;
      const work = n * c * ELEMENT_WORK;
      const call = (i: number, count: number) => [
        numbers.swiglu,
        y.address + i * c * 4,
        gate.address + i * c * 4,
        up.address + i * c * 4,
        count * c,
      ];
      share(parts(n, 1, work, call), work);
    },

    rope(x, angles, n, heads, d) {
      const { rotated, style } = angles;
      const work = n * heads * d * ELEMENT_WORK;
      const neox = style === 'halves' ? 1 : 0;
      const call = (i: number, count: number) => [
        numbers.rope,
        x.address + i * heads * d * 4,
        angles.address + i * rotated * 4,
        count,
        heads,
        d,
        rotated,
        neox,
      ];
      share(parts(n, 1, work, call), work);
    },
    ropeShift(keys, angles, n, d, type) {
      kernels.rope_shift(
        keys,
        angles.address,
        scratch.own,
        n,
        d,
        angles.rotated,
        angles.style === 'halves' ? 1 : 0,
        rowCode(type),
      );
    },
    storeRows(rows, x, head, n, d, type) {
      kernels.rows_store(
        rows,
        x.address + head * d * 4,
        scratch.own,
        n,
        d,
        x.columns,
        rowCode(type),
      );
    },
    gatherRows(out, rows, list, n, d, type, side) {
      kernels.kivi_gather(out, rows, list, n, d, rowCode(type, side));
    },
    groupRows(rows, list, x, grid, n, d, type, side) {
      kernels.kivi_group(rows, list, x, grid, scratch.own, n, d, rowCode(type, side));
    },
    attention(out, q, heads, T, d, type, looks) {
      const group = q.columns / d / heads.length;
      const code = rowCode(type);
      const calls: Call[] = [];
      let work = 0;
      heads.forEach(({ keys, values, length }, h) => {
        // a head without rows before leaves nothing: it gets no scores either
        const seen = looks ? length - looks.unseen : 0;
        const left = looks && seen > 0 ? looks.address + h * 2 * T * group * 4 : 0;
        for (let t = 0; t < T; t += QUERY_ROWS) {
          const count = Math.min(QUERY_ROWS, T - t);
          const n = length - T + t + count;
          const offset = h * group * d * 4;
          const [to, from] = [
            out.address + offset + t * out.columns * 4,
            q.address + offset + t * q.columns * 4,
          ];
          const look = left === 0 ? 0 : left + t * group * 4;
          calls.push([
            numbers.attention,
            to,
            from,
            keys,
            values,
            SCRATCH,
            count,
            group,
            n,
            d,
            out.columns,
            q.columns,
            code,
            look,
            seen,
            T * group,
          ]);
          work += 2 * count * group * n * d;
        }
      });
      share(calls, work);
    },

    observe,
    observeDefensive(out, heads, d, type, { queries, count, causal, unscored = 0, looks }, size) {
      const group = queries.columns / d / heads.length;
      const calls: Call[] = [];
      let work = 0;
      const scores = scoreHeads(out, heads, unscored, ({ keys, length }, to, scored, h) => {
        const looking = queries.address + h * group * d * 4;
        const seen = looks && unscored === 0 ? looks.address + h * 2 * count * group * 4 : 0;
        const [sees, code] = [causal ? 1 : 0, rowCode(type)];
        calls.push([
          numbers.observe_defensive,
          to,
          looking,
          keys,
          SCRATCH,
          count,
          group,
          length,
          scored,
          d,
          queries.columns,
          sees,
          size,
          code,
          seen,
        ]);
        work += 2 * count * group * length * d;
      });
      share(calls, work);
      return scores;
    },
    valueNorms(out, heads, from, d, type, wo) {
      const group = wo.columns / d / heads.length;
      const absSums = kernels[`abs_sums_${wo.type.name}`] as Kernels['abs_sums_f32'];
      const rows = scratch.own + kernels.abs_sums_scratch();
      const bytes = rowBytes(type, d, 'values');
      let to = out;
      const counts = heads.map((head, h) => {
        const count = Math.max(0, head.length - from[h]);
        const norms = backend.floats(to, count).fill(0);
        for (let i = 0; i < count; i += VALUE_ROWS) {
          const n = Math.min(VALUE_ROWS, count - i);
          kernels.rows_load(
            rows,
            head.values + (from[h] + i) * bytes,
            n,
            d,
            d,
            rowCode(type, 'values'),
          );
          if (isQuantized(type) && !isGrouped(type)) kernels.rows_unrotate(rows, n, d, d);
          for (let g = 0; g < group; g++)
            absSums(
              to + i * 4,
              rows,
              wo.address,
              scratch.own,
              n,
              wo.rows,
              wo.columns,
              (h * group + g) * d,
              d,
            );
        }
        for (let i = 0; i < count; i++) norms[i] /= group;
        to += count * 4;
        return count;
      });
      return { address: out, counts };
    },
    expectedAttention(out, spare, heads, d, type, queries, count) {
      const group = queries.columns / d / heads.length;
      return scoreHeads(out, heads, 0, (head, to, n, h) => {
        const drawn = queries.address + h * group * d * 4;
        kernels.expect(
          to,
          spare,
          drawn,
          head.keys,
          scratch.own,
          count,
          group,
          n,
          d,
          queries.columns,
          rowCode(type),
        );
      });
    },
    rowNorms: (out, heads, of, d, type) =>
      scoreHeads(out, heads, 0, (head, to, n) =>
        kernels.row_norms(to, head[of], scratch.own, n, d, rowCode(type, of)),
      ),
    keyCosines: (out, heads, d, type) =>
      scoreHeads(out, heads, 0, (head, to, n) => {
        const direction = scratch.own;
        const rest = direction + d * 4;
        kernels.mean_direction(direction, head.keys, rest, n, d, rowCode(type));
        kernels.row_cosines(to, head.keys, direction, rest, n, d, rowCode(type));
      }),
    averagePool(out, scores, size) {
      let offset = 0;
      for (const n of scores.counts) {
        kernels.average_pool(out + offset, scores.address + offset, n, size);
        offset += n * 4;
      }
      return { address: out, counts: scores.counts };
    },
    topK: (kept, scores, n, k) => kernels.top_k(kept, scores, scratch.own, n, k),
    compactRows(rows, kept, count, rowBytes) {
      kernels.compact_rows(rows, kept, count, rowBytes);
    },

    kmeansAssign(labels, distances, x, centroids, n, E, known) {
      const d = x.columns;
      const work = n * E * d;
      const call = (i: number, count: number) => [
        numbers.kmeans_assign,
        labels + i * 4,
        distances + i * 4,
        x.address + i * d * 4,
        centroids.address,
        SCRATCH,
        count,
        E,
        d,
        known ? known.bounds + i * 4 : 0,
        known?.moved ?? 0,
      ];
      share(parts(n, 1, work, call), work);
    },
    kmeansSum(sums, counts, x, labels, n, E) {
      kernels.kmeans_sum(sums.address, counts, x.address, labels, n, E, x.columns);
    },

    scratchBytes: (shape: ScratchShape) => schedule.bytesOf(scratchOf(shape)),
    reserveScratch: (shape) => schedule.reserve(scratchOf(shape)),
    dispose: schedule.stop,
  };
  return backend;
}
