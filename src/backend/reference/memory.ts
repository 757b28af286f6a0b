// The reference's memory: an ArrayBuffer, and how its tensors and cached rows are read.
import type { CpuScores, HeadRows } from '../cpu/memory.ts';
import { type RowSide, type RowType, rowBytes } from '../dtype.ts';
import { decodeRow, encodeRow } from '../row-codec.ts';
import type { Address, Tensor } from '../tensor.ts';
import type { MemoryOps } from '../cpu/operations.ts';

export type Memory = ReturnType<typeof createMemory>;

/**
 * `wide`: numbers are kept as f64, beside the other bytes, so that differences of results are not
 * lost in their rounding. Who reads them sees no other difference.
 */
export function createMemory(memory: ArrayBuffer, wide = false) {
  const doubles = wide ? new ArrayBuffer(2 * memory.byteLength) : undefined;
  const f32 = (address: Address, count: number): Float32Array<ArrayBuffer> =>
    doubles
      ? (new Float64Array(doubles, 2 * address, count) as unknown as Float32Array<ArrayBuffer>)
      : new Float32Array(memory, address, count);
  const i32 = (address: Address, count: number) => new Int32Array(memory, address, count);
  const row = (x: Tensor, i: number, columns = x.columns) =>
    f32(x.address + i * x.columns * 4, columns);

  const rowAt = (rows: Address, i: number, d: number, type: RowType, side: RowSide) =>
    new Uint8Array(memory, rows + i * rowBytes(type, d, side), rowBytes(type, d, side));
  /** Cached row i, and all of a head's. */
  const readRow = (
    rows: Address,
    i: number,
    d: number,
    type: RowType,
    side: RowSide = 'keys',
    rest: Address = 0,
  ) => decodeRow(rowAt(rows, i, d, type, side), d, type, side, { memory, address: rest });
  const writeRow = (
    rows: Address,
    i: number,
    d: number,
    type: RowType,
    values: ArrayLike<number>,
  ) => rowAt(rows, i, d, type, 'keys').set(encodeRow(values, type));
  const rowsOf = (head: HeadRows, of: RowSide, n: number, d: number, type: RowType) =>
    Array.from({ length: n }, (_, i) => readRow(head[of], i, d, type, of, head.rest));

  function perHead(
    out: Address,
    heads: readonly HeadRows[],
    unscored: number,
    numbers: (head: HeadRows, h: number, scored: number) => number[],
  ): CpuScores {
    let at = out;
    const counts = heads.map((head, h) => {
      const scored = Math.max(0, head.length - unscored);
      f32(at, scored).set(scored > 0 ? numbers(head, h, scored) : []);
      at += scored * 4;
      return scored;
    });
    return { address: out, counts };
  }

  return { memory, doubles, f32, i32, row, rowAt, readRow, writeRow, rowsOf, perHead };
}

/** Bytes and numbers of the memory, as they are. */
export function memoryOps({ memory, doubles, f32, i32 }: Memory): MemoryOps {
  return {
    write(address, data) {
      const { buffer, byteOffset, byteLength } = data;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      new Uint8Array(memory, address, byteLength).set(bytes);
      if (doubles && data instanceof Float32Array) f32(address, data.length).set(data);
    },
    readFloats: async (address, count) => f32(address, count).slice(),
    readInts: async (address, count) => i32(address, count).slice(),
    copy(to, from, count) {
      new Uint8Array(memory).copyWithin(to, from, from + count);
      if (doubles) new Uint8Array(doubles).copyWithin(2 * to, 2 * from, 2 * (from + count));
    },
    bytes: (address, count) => new Uint8Array(memory, address, count),
    floats: f32,
    ints: i32,
  };
}
