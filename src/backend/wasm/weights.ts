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
}: Context): Pick<Backend, 'weightBytes' | 'rowsAt' | 'packRows' | 'embed'> {
  const bytesAt = (address: number, count: number) => new Uint8Array(memory.buffer, address, count);
  const padded = (rows: number) => Math.ceil(rows / PANEL_ROWS) * PANEL_ROWS;
  return {
    weightBytes: (type, rows, columns) => padded(rows) * weightRowBytes(type, columns),
    rowsAt({ address, type, columns }, row, count) {
      const rowBytes = weightRowBytes(type, columns);
      return bytesAt(address + row * rowBytes, count * rowBytes);
    },
    packRows({ address, type, rows, columns }, row, count, file) {
      const rowBytes = weightRowBytes(type, columns);
      const at = address + row * rowBytes;
      if (file.buffer !== memory.buffer || file.byteOffset !== at)
        bytesAt(at, file.length).set(file);
      // (by this thread: that takes as long as copying, while another reads on)
      const scratch = arena.allocate(GROUP_ROWS * rowBytes);
      try {
        kernels.pack_rows(at, scratch, count, columns, type.number);
      } finally {
        arena.free(scratch);
      }
      const packed = Math.ceil((row + count) / GROUP_ROWS) * GROUP_ROWS;
      if (packed >= rows && packed < padded(rows))
        bytesAt(address + packed * rowBytes, (padded(rows) - packed) * rowBytes).fill(0);
    },

    embed(y, table, ids, n) {
      const { address, columns, type } = table;
      kernels.gather(y.address, address, ids, scratch.own, n, columns, type.number);
    },
  };
}
