// Cached rows: storing, widening, turning and moving them.
import { rowTypes } from '../dtype.ts';
import { encodeGroup, gridAddress, quantize } from '../row-codec.ts';
import type { RowOps } from '../cpu/operations.ts';
import { rotate } from './math.ts';
import type { Memory } from './memory.ts';

export function rowOps({ memory, f32, i32, row, rowAt, readRow, writeRow }: Memory): RowOps {
  return {
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
        f32(out + i * d * 4, d).set(readRow(rows[side], row, d, type, side, rows.rest)),
      );
    },
    groupRows(rows, list, x, grid, n, d, type, side) {
      const numbers = Array.from({ length: n }, (_, i) => [...f32(x + i * d * 4, d)]);
      const bits = Math.ceil(rowTypes[type].bits) as 3 | 4 | 8;
      const group =
        side === 'keys'
          ? encodeGroup(numbers, type, grid)
          : { grid: [], rows: numbers.map((row) => quantize(row, bits)) };
      if (side === 'keys')
        new Uint8Array(memory).set(group.grid, gridAddress(rows.rest, grid, d, type));
      i32(list, n).forEach((row, i) => rowAt(rows[side], row, d, type, side).set(group.rows[i]));
    },
    compactRows(rows, kept, count, rowBytes) {
      const indices = i32(kept, count).slice();
      const all = new Uint8Array(memory);
      indices.forEach((from, i) =>
        all.copyWithin(rows + i * rowBytes, rows + from * rowBytes, rows + (from + 1) * rowBytes),
      );
    },
  };
}
