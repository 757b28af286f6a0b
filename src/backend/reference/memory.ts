// The reference's memory: an ArrayBuffer, and how its tensors and cached rows are read.
import type { CpuBackend, CpuScores, HeadRows } from '../cpu/memory.ts';
import { type RowSide, type RowType, rowBytes } from '../dtype.ts';
import { decodeRow, encodeRow } from '../row-codec.ts';
import type { Address, Tensor } from '../tensor.ts';

export type Memory = ReturnType<typeof createMemory>;

export function createMemory(memory: ArrayBuffer) {
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

  return { memory, f32, i32, row, rowAt, readRow, writeRow, rowsOf, perHead };
}

/** Bytes and numbers of the memory, as they are. */
export function memoryOps({
  memory,
  f32,
  i32,
}: Memory): Pick<
  CpuBackend,
  'write' | 'copy' | 'readFloats' | 'readInts' | 'bytes' | 'floats' | 'ints'
> {
  return {
    write: (address, { buffer, byteOffset, byteLength }) =>
      new Uint8Array(memory, address, byteLength).set(
        new Uint8Array(buffer, byteOffset, byteLength),
      ),
    readFloats: async (address, count) => f32(address, count).slice(),
    readInts: async (address, count) => i32(address, count).slice(),
    copy: (to, from, count) => void new Uint8Array(memory).copyWithin(to, from, from + count),
    bytes: (address, count) => new Uint8Array(memory, address, count),
    floats: f32,
    ints: i32,
  };
}
