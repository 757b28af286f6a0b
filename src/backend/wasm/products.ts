// Weights: packing them, and products with them.
import type { Backend } from '../backend.ts';
import { type WeightName, weightRowBytes } from '../dtype.ts';
import type { Address, Tensor } from '../tensor.ts';
import { call, SCRATCH } from './call.ts';
import { type Context, ELEMENT_WORK } from './context.ts';
import type { Kernels } from './core.ts';

type Gather = Kernels['gather_f32'];
/** Where rounded input lies. */
type Rounded = readonly [q: Address, scales: Address, sums: Address];

/** A weight's rows are padded to whole panels of the gemm. */
const PANEL_ROWS = 8;
const GROUP_ROWS = 4;

/** Float weights multiply x as it is; the others want it as quantize_i16 leaves it. */
const floatWeights: ReadonlySet<WeightName> = new Set(['f32', 'f16', 'bf16']);
/** What no weight wants. */
const nothing: Rounded = [0, 0, 0];
/** Weights whose products of many rows are made in f32: q6_k's scales go by 16 elements. */
const floatProducts: ReadonlySet<WeightName> = new Set([...floatWeights, 'q6_k']);

export function productOps({
  kernels,
  memory,
  arena,
  numbers,
  share,
  parts,
  scratch,
}: Context): Pick<Backend, 'weightBytes' | 'packRows' | 'embed' | 'linear' | 'linearOne'> {
  const gather = (type: WeightName) => kernels[`gather_${type}`] as Gather;

  /**
   * x [n, x.columns] as i16 in blocks of 32, with their scales and sums: where those are, until the
   * next product.
   */
  function roundInput(x: Tensor, n: number): Rounded {
    const k = x.columns;
    const [scales, sums] = [scratch.common + n * k * 2, scratch.common + n * k * 2 + (n * k) / 8];
    const part = (i: number, count: number) =>
      call(
        numbers.quantize_i16,
        scratch.common + i * k * 2,
        scales + (i * k) / 8,
        sums + (i * k) / 8,
        x.address + i * k * 4,
        count * k,
      );
    share(parts(n, 1, n * k * ELEMENT_WORK, part), n * k * ELEMENT_WORK);
    return [scratch.common, scales, sums];
  }

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
            columns / type.elements,
            type.head,
            type.words,
            type.tail,
          );
        }
        const packed = Math.ceil((row + count) / GROUP_ROWS) * GROUP_ROWS;
        const padded = Math.ceil(weight.rows / PANEL_ROWS) * PANEL_ROWS;
        if (row + count === weight.rows && packed < padded)
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
      gather(table.type.name)(y.address, table.address, ids, scratch.own, n, table.columns);
    },
    linear(products, x, n) {
      const k = x.columns;
      const rows = products.reduce((sum, [, w]) => sum + w.rows, 0);
      const total = n * rows * k;
      const rounded = products.some(([, w]) => !floatProducts.has(w.type.name))
        ? roundInput(x, n)
        : nothing;
      const calls = products.flatMap(([y, w]) => {
        const { name } = w.type;
        const rowBytes = weightRowBytes(w.type, k);
        const part = floatProducts.has(name)
          ? (row: number, count: number) =>
              call(
                numbers[`gemm_${name}` as 'gemm_f32'],
                y.address + row * 4,
                x.address,
                w.address + row * rowBytes,
                SCRATCH,
                n,
                count,
                k,
                y.columns,
                k,
              )
          : (row: number, count: number) =>
              call(
                numbers[`gemm_${name}` as 'gemm_q8_0'],
                y.address + row * 4,
                ...rounded,
                w.address + row * rowBytes,
                SCRATCH,
                n,
                count,
                k,
                y.columns,
              );
        return parts(w.rows, PANEL_ROWS, total, part, rows);
      });
      share(calls, total);
    },
    linearOne(products, x) {
      const k = x.columns;
      const rows = products.reduce((sum, [, w]) => sum + w.rows, 0);
      const total = rows * k;
      const rounded = products.some(([, w]) => !floatWeights.has(w.type.name))
        ? roundInput(x, 1)
        : nothing;
      const calls = products.flatMap(([y, w]) => {
        const { name } = w.type;
        const rowBytes = weightRowBytes(w.type, k);
        const part = (row: number, count: number) => {
          const to = y.address + row * 4;
          const from = w.address + row * rowBytes;
          return floatWeights.has(name)
            ? call(numbers[`gemv_${name}` as 'gemv_f32'], to, x.address, from, count, k)
            : call(numbers[`gemv_${name}` as 'gemv_q8_0'], to, ...rounded, from, count, k);
        };
        return parts(w.rows, PANEL_ROWS, total, part, rows);
      });
      share(calls, total);
    },
  };
}
