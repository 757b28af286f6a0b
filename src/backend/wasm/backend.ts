// The WebAssembly backend: each operation of backend.ts as calls of kernels. It lays out scratch and loops over heads; no numbers here.
import { createArena } from '../arena.ts';
import type { Backend, Observation, ScratchShape } from '../backend.ts';
import { isGrouped, isQuantized, type RowType, rowBytes, rowCode, type WeightName, weightRowBytes } from '../dtype.ts';
import type { HeadRows, Scores } from '../tensor.ts';
import { type Build, createCore, type Kernels } from './core.ts';

type Gemm = Kernels['gemm_f32'];
type Gather = Kernels['gather_f32'];

/** A weight's rows are padded to whole panels of the gemm. */
const PANEL_ROWS = 8;
const GROUP_ROWS = 4;
/** Rows whose value norms are computed at a time: ABS_ROWS of assembly/dense.ts. */
const VALUE_ROWS = 64;

/** Float weights multiply x as it is; the others want it as quantize_i16 leaves it. */
const floatWeights: ReadonlySet<WeightName> = new Set(['f32', 'f16', 'bf16']);

/** Creates a backend with a memory of its own. Throws DeviceError without SIMD, OptionError for a build that cannot run here. */
export function createWasmBackend(build: Build | 'auto' | Uint8Array<ArrayBuffer> = 'auto'): Backend {
  const core = createCore(build);
  const { kernels, memory } = core;
  const arena = createArena(core.base, core.limitBytes, core.reserve);
  const gemm = (type: WeightName) => kernels[`gemm_${type}`] as Gemm;
  const gather = (type: WeightName) => kernels[`gather_${type}`] as Gather;

  // One scratch region, as large as the largest live reservation: operations run one after the other.
  const reservations = new Set<{ bytes: number }>();
  let scratch = { address: 0, bytes: 0 };
  function fitScratch(): void {
    const bytes = Math.max(0, ...[...reservations].map((r) => r.bytes));
    if (bytes === scratch.bytes) return;
    if (scratch.bytes > 0) arena.free(scratch.address);
    scratch = { address: 0, bytes: 0 };
    if (bytes > 0) scratch = { address: arena.allocate(bytes), bytes };
  }

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

  /** Runs an observing kernel on every head; `how` is its aggregate or the width of its smoothing. */
  function watchHeads(
    kernel: Kernels['observe'],
    how: number,
    out: number,
    heads: readonly HeadRows[],
    d: number,
    type: RowType,
    { queries, count, causal, unscored = 0, looks }: Omit<Observation, 'aggregate'>,
  ): Scores {
    const group = queries.columns / d / heads.length;
    return scoreHeads(out, heads, unscored, (head, to, scored, h) => {
      const looking = queries.address + h * group * d * 4;
      const seen = looks && unscored === 0 ? looks.address + h * 2 * count * group * 4 : 0;
      kernel(to, looking, head.keys, scratch.address, count, group, head.length, scored, d, queries.columns, causal ? 1 : 0, how, rowCode(type), seen);
    });
  }

  const backend: Backend = {
    name: 'wasm',
    build: core.build,
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

    weightBytes: (type, rows, columns) => Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS * weightRowBytes(type, columns),
    packRows(weight, row, count, file) {
      const { type, columns } = weight;
      const rowBytes = weightRowBytes(type, columns);
      const staging = arena.allocate(count * rowBytes);
      try {
        backend.write(staging, file);
        for (let r = 0; r < count; r += GROUP_ROWS) {
          const rows = Math.min(GROUP_ROWS, count - r);
          kernels.pack_group(weight.address + (row + r) * rowBytes, staging + r * rowBytes, rows, columns / type.elements, type.head, type.words, type.tail);
        }
        const packed = Math.ceil((row + count) / GROUP_ROWS) * GROUP_ROWS;
        const padded = Math.ceil(weight.rows / PANEL_ROWS) * PANEL_ROWS;
        if (row + count === weight.rows && packed < padded) backend.bytes(weight.address + packed * rowBytes, (padded - packed) * rowBytes).fill(0);
      } finally {
        arena.free(staging);
      }
    },

    embed(y, table, ids, n) {
      gather(table.type.name)(y.address, table.address, ids, scratch.address, n, table.columns);
    },
    rmsNorm(y, x, w, n, eps) {
      kernels.rms_norm(y.address, x.address, w.address, n, w.columns, eps);
    },
    linear(y, x, w, n) {
      gemm(w.type.name)(y.address, x.address, w.address, scratch.address, n, w.rows, w.columns, y.columns, x.columns);
    },
    linearOne(y, x, w) {
      const k = w.columns;
      const name = w.type.name;
      if (floatWeights.has(name)) {
        (kernels[`gemv_${name}`] as Kernels['gemv_f32'])(y.address, x.address, w.address, w.rows, k);
        return;
      }
      const scales = scratch.address + k * 2;
      const sums = scales + k / 8;
      kernels.quantize_i16(scratch.address, scales, sums, x.address, k);
      (kernels[`gemv_${name}`] as Kernels['gemv_q8_0'])(y.address, scratch.address, scales, sums, w.address, w.rows, k);
    },
    add(y, x, n) {
      kernels.add_rows(y.address, x.address, n, y.columns, y.columns);
    },
    addBias(y, bias, n) {
      kernels.add_rows(y.address, bias.address, n, y.columns, 0);
    },
    swiglu(y, gate, up, n) {
      kernels.swiglu(y.address, gate.address, up.address, n * y.columns);
    },

    rope(x, angles, n, heads, d) {
      kernels.rope(x.address, angles.address, n, heads, d, angles.rotated, angles.style === 'halves' ? 1 : 0);
    },
    ropeShift(keys, angles, n, d, type) {
      kernels.rope_shift(keys, angles.address, scratch.address, n, d, angles.rotated, angles.style === 'halves' ? 1 : 0, rowCode(type));
    },
    storeRows(rows, x, head, n, d, type) {
      kernels.rows_store(rows, x.address + head * d * 4, scratch.address, n, d, x.columns, rowCode(type));
    },
    gatherRows(out, rows, list, n, d, type, side) {
      kernels.kivi_gather(out, rows, list, n, d, rowCode(type, side));
    },
    groupRows(rows, list, x, grid, n, d, type, side) {
      kernels.kivi_group(rows, list, x, grid, scratch.address, n, d, rowCode(type, side));
    },
    attention(out, q, heads, T, d, type, looks) {
      const group = q.columns / d / heads.length;
      for (let h = 0; h < heads.length; h++) {
        const { keys, values, length } = heads[h];
        const offset = h * group * d * 4;
        // a head without rows before leaves nothing: it gets no scores either
        const seen = looks ? length - looks.unseen : 0;
        const left = looks && seen > 0 ? looks.address + h * 2 * T * group * 4 : 0;
        const [to, from, code] = [out.address + offset, q.address + offset, rowCode(type)];
        kernels.attention(to, from, keys, values, scratch.address, T, group, length, d, out.columns, q.columns, code, left, seen);
      }
    },

    observe: (out, heads, d, type, o: Observation) => watchHeads(kernels.observe, o.aggregate === 'max' ? 1 : 0, out, heads, d, type, o),
    observeDefensive: (out, heads, d, type, o, size) => watchHeads(kernels.observe_defensive, size, out, heads, d, type, o),
    valueNorms(out, heads, from, d, type, wo) {
      const group = wo.columns / d / heads.length;
      const absSums = kernels[`abs_sums_${wo.type.name}`] as Kernels['abs_sums_f32'];
      const rows = scratch.address + kernels.abs_sums_scratch();
      const bytes = rowBytes(type, d, 'values');
      let to = out;
      const counts = heads.map((head, h) => {
        const count = Math.max(0, head.length - from[h]);
        const norms = backend.floats(to, count).fill(0);
        for (let i = 0; i < count; i += VALUE_ROWS) {
          const n = Math.min(VALUE_ROWS, count - i);
          kernels.rows_load(rows, head.values + (from[h] + i) * bytes, n, d, d, rowCode(type, 'values'));
          if (isQuantized(type) && !isGrouped(type)) kernels.rows_unrotate(rows, n, d, d);
          for (let g = 0; g < group; g++) absSums(to + i * 4, rows, wo.address, scratch.address, n, wo.rows, wo.columns, (h * group + g) * d, d);
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
        kernels.expect(to, spare, drawn, head.keys, scratch.address, count, group, n, d, queries.columns, rowCode(type));
      });
    },
    rowNorms: (out, heads, of, d, type) =>
      scoreHeads(out, heads, 0, (head, to, n) => kernels.row_norms(to, head[of], scratch.address, n, d, rowCode(type, of))),
    keyCosines: (out, heads, d, type) =>
      scoreHeads(out, heads, 0, (head, to, n) => {
        const direction = scratch.address;
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
    topK: (kept, scores, n, k) => kernels.top_k(kept, scores, scratch.address, n, k),
    compactRows(rows, kept, count, rowBytes) {
      kernels.compact_rows(rows, kept, count, rowBytes);
    },

    kmeansAssign(labels, distances, x, centroids, n, E) {
      kernels.kmeans_assign(labels, distances, x.address, centroids.address, scratch.address, n, E, x.columns);
    },
    kmeansSum(sums, counts, x, labels, n, E) {
      kernels.kmeans_sum(sums.address, counts, x.address, labels, n, E, x.columns);
    },

    scratchBytes(shape: ScratchShape) {
      const { tokens, queryHeads, kvHeads, headDim, width } = shape;
      const group = queryHeads / kvHeads;
      return Math.max(
        kernels.gemm_scratch(),
        width * 2 + width / 4 + 64, // i16 activations, scales and sums
        kernels.attention_scratch(tokens, group, headDim),
        kernels.observe_scratch(tokens, group, headDim),
        kernels.defensive_scratch(tokens, group, headDim),
        kernels.expect_scratch(tokens, group, headDim),
        kernels.abs_sums_scratch() + VALUE_ROWS * headDim * 4,
        kernels.rows_scratch(headDim) + headDim * 4,
        kernels.top_k_scratch(),
      );
    },
    reserveScratch(shape) {
      const reservation = { bytes: backend.scratchBytes(shape) };
      reservations.add(reservation);
      fitScratch();
      return () => {
        if (reservations.delete(reservation)) fitScratch();
      };
    },
    dispose() {
      reservations.clear();
    },
  };
  return backend;
}
