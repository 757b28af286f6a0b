// Operations on a WebGPU device beside those of WASM: products of many rows by f32 weights, of one
// row by weights of few bits, attention of a token over cached rows.
import type { Backend } from '../../src/backend/backend.ts';
import {
  type RowType,
  rowBytes,
  type WeightName,
  weightRowBytes,
  weightTypes,
} from '../../src/backend/dtype.ts';
import { createRandom } from '../../src/math/rng.ts';

/** Something that a backend does, times over, and its result. */
export interface Operation {
  run(): Promise<unknown>;
  numbers(): Promise<Float32Array>;
}

/** An operation on any backend. */
export interface OperationCase {
  readonly name: string;
  readonly unit: 'GB/s' | 'GFLOP/s';
  /** Bytes or operations of one time. */
  readonly amount: number;
  /** Times between two reads. */
  readonly times: number;
  on(backend: Backend): Operation;
}

/** Rows packed at a time. */
const PACKED_ROWS = 64;
/** Tokens appended at a time. */
const BLOCK = 64;

/** Bytes of rows that stand for numbers of moderate size, whatever their type. */
function fileOf(bytes: number, isF32: boolean, random: () => number): Uint8Array {
  if (isF32)
    return new Uint8Array(Float32Array.from({ length: bytes / 4 }, () => random() - 0.5).buffer);
  return Uint8Array.from({ length: bytes }, () => Math.floor(random() * 256) & 0x2f);
}

const typeOf = (name: WeightName) => weightTypes.find((row) => row.name === name)!;

/** n rows by a weight [m, k]. */
export function product(
  name: WeightName,
  [n, m, k]: readonly [number, number, number],
  times: number,
): OperationCase {
  const type = typeOf(name);
  return {
    name: `${name} ${n}x${k}x${m}`,
    unit: n === 1 ? 'GB/s' : 'GFLOP/s',
    amount: n === 1 ? m * weightRowBytes(type, k) : 2 * n * m * k,
    times,
    on(backend) {
      const { arena } = backend;
      const random = createRandom(1);
      const bytes = backend.weightBytes(type, m, k);
      const address = arena.plan(bytes);
      arena.touch(address + bytes);
      const weight = { address, type, rows: m, columns: k };
      // the same rows over and over: drawing all would take minutes
      const file = fileOf(PACKED_ROWS * weightRowBytes(type, k), name === 'f32', random);
      for (let row = 0; row < m; row += PACKED_ROWS) {
        const count = Math.min(PACKED_ROWS, m - row);
        backend.packRows(weight, row, count, file.subarray(0, count * weightRowBytes(type, k)));
      }
      const x = { address: arena.allocate(4 * n * k), columns: k };
      const y = { address: arena.allocate(4 * n * m), columns: m };
      backend.write(x.address, fileOf(4 * n * k, true, random));
      backend.reserveScratch({ tokens: n, queryHeads: 1, kvHeads: 1, headDim: 64, width: k });
      return {
        run() {
          for (let i = 0; i < times; i++) {
            if (n === 1) backend.linearOne([[y, weight]], x);
            else backend.linear([[y, weight]], x, n);
          }
          return backend.readFloats(y.address, 1);
        },
        numbers: () => backend.readFloats(y.address, n * m),
      };
    },
  };
}

export interface AttentionShape {
  readonly rows: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
}

/** One token over cached rows. */
export function attention(
  rowType: RowType,
  { rows, kvHeads, group, headDim }: AttentionShape,
  times: number,
): OperationCase {
  return {
    name: `attention ${rowType}, ${rows} rows, ${kvHeads * group} / ${kvHeads} heads of ${headDim}`,
    unit: 'GB/s',
    amount: rows * kvHeads * (rowBytes(rowType, headDim) + rowBytes(rowType, headDim, 'values')),
    times,
    on(backend) {
      const random = createRandom(1);
      const [width, kv] = [kvHeads * group * headDim, kvHeads * headDim];
      const tensor = (n: number, columns: number) => ({
        address: backend.arena.allocate(4 * n * columns),
        columns,
      });
      const [q, out, k, v] = [
        tensor(1, width),
        tensor(1, width),
        tensor(BLOCK, kv),
        tensor(BLOCK, kv),
      ];
      backend.reserveScratch({
        tokens: BLOCK,
        queryHeads: kvHeads * group,
        kvHeads,
        headDim,
        width,
      });
      const cache = backend.createCache({ kvHeads, headDim, rowType, keptRows: [0], room: rows });
      backend.write(q.address, fileOf(4 * width, true, random));
      for (let at = 0; at < rows; at += BLOCK) {
        for (const x of [k, v]) backend.write(x.address, fileOf(4 * BLOCK * kv, true, random));
        cache.append(0, k, v, Math.min(BLOCK, rows - at), at);
      }
      return {
        run() {
          for (let i = 0; i < times; i++) backend.attention(out, q, cache.rows(0), 1);
          return backend.readFloats(out.address, 1);
        },
        numbers: () => backend.readFloats(out.address, width),
      };
    },
  };
}
