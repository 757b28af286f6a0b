// Weights: their room, how they are packed, and single rows of them.
import { GROUP_ROWS, PANEL_ROWS } from '../../../build/generated/kernels.ts';
import type { Backend } from '../backend.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Context } from './context.ts';

export function weightOps({
  kernels,
  memory,
  arena,
  scratch,
}: Context): Pick<Backend, 'weightBytes' | 'packRows' | 'embed'> {
  return {
    weightBytes: (type, rows, columns) =>
      Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS * weightRowBytes(type, columns),
    packRows(weight, row, count, file) {
      const { type, columns } = weight;
      const rowBytes = weightRowBytes(type, columns);
      const staging = arena.allocate(count * rowBytes);
      try {
        new Uint8Array(memory.buffer, staging, file.length).set(file);
        for (let r = 0; r < count; r += GROUP_ROWS) {
          const rows = Math.min(GROUP_ROWS, count - r);
          kernels.pack_group(
            weight.address + (row + r) * rowBytes,
            staging + r * rowBytes,
            rows,
            columns,
            type.number,
          );
        }
        const packed = Math.ceil((row + count) / GROUP_ROWS) * GROUP_ROWS;
        const padded = Math.ceil(weight.rows / PANEL_ROWS) * PANEL_ROWS;
        if (packed >= weight.rows && packed < padded)
          new Uint8Array(
            memory.buffer,
            weight.address + packed * rowBytes,
            (padded - packed) * rowBytes,
          ).fill(0);
      } finally {
        arena.free(staging);
      }
    },

    embed(y, table, ids, n) {
      const { address, columns, type } = table;
      kernels.gather(y.address, address, ids, scratch.own, n, columns, type.number);
    },
  };
}
