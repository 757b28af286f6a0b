// Products with weights as they are stored. One row of x is decoding: its kernels take several
// weights in one dispatch, with what lies around the products; a few rows go one by one. Many rows
// go tile by tile, a dispatch a weight.
import type { Backend } from '../backend.ts';
import type { Elements } from '../elements.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Around, Product } from '../product.ts';
import type { Tensor } from '../tensor.ts';
import type { OpenDevice } from './device.ts';
import { isPlainGate } from './elements.ts';
import { type Heap, wordOffset as word } from './heap.ts';
import { lanesOf, oneRow } from './one-row.ts';
import { biasAddress, biasWord, bytesOf, type PartsOf } from './parts.ts';
import type { Recorder } from './recorder.ts';
import { weightConstants, type WeightStore, weightStore } from './weights.ts';

type ProductOps = Pick<
  Backend,
  'weightBytes' | 'packRows' | 'embed' | 'linear' | 'linearOne' | 'gated'
>;

/** As many rows of x cost less one by one than in a tile that they leave empty. */
export const FEW_ROWS = 8;
/** Rows of x, and of a weight, of a tile (lib/product-tile.wgsl). */
export const TILE = 64;
/** Row i of a tensor. */
const rowOf = ({ address, columns }: Tensor, i: number): Tensor => ({
  address: address + 4 * i * columns,
  columns,
});
const productOf = ([y, w, bias]: Product, i: number): Product => [rowOf(y, i), w, bias];

export function productOps(
  recorder: Recorder,
  heap: Heap,
  elements: Elements,
  device: Pick<OpenDevice, 'isSoftware'>,
): ProductOps {
  const { weightBytes, packRows, piecesOf } = weightStore(recorder, heap);
  const partsOf: PartsOf = (products) =>
    products.flatMap((product) => piecesOf(product[1]).map((piece) => ({ product, piece })));
  const one = oneRow(recorder, partsOf, lanesOf(device));
  const many = manyRows(recorder, partsOf);

  function linear(products: readonly Product[], x: Tensor, n: number, around?: Around): void {
    if (n <= FEW_ROWS) {
      for (let i = 0; i < n; i++) {
        const own = products.map((product) => productOf(product, i));
        one.linear(own, rowOf(x, i), around);
      }
      return;
    }
    const { norm, room, adds = false } = around ?? {};
    if (!norm) {
      many(products, x, n, adds);
      return;
    }
    const from = { address: room!.address, columns: x.columns };
    elements.rmsNorm(from, x, norm.w, n, norm.eps);
    many(products, from, n, adds);
  }

  return {
    weightBytes,
    packRows,
    embed: embedding(recorder, piecesOf),
    linear,
    linearOne: one.linear,
    gated(y, gate, up, x, n, activation, before) {
      if (n <= FEW_ROWS && isPlainGate(activation) && one.canGate(gate, up)) {
        for (let i = 0; i < n; i++) {
          const product = [rowOf(y, i), gate[1], gate[2]] as const;
          one.gated(product, up, rowOf(x, i), activation, before);
        }
        return;
      }
      linear([gate, up], x, n, before);
      elements.glu(y, gate[0], up[0], n, activation);
    },
  };
}

function embedding(recorder: Recorder, piecesOf: WeightStore['piecesOf']): Backend['embed'] {
  return (y, table, ids, n) => {
    const { type, columns } = table;
    const kernel = recorder.kernels.get('embed', 'wr', weightConstants(type));
    const groups = Math.ceil((n * Math.ceil(columns / 4)) / 64);
    piecesOf(table).forEach(({ address, first, rows, regions }, i) => {
      recorder.dispatch(
        kernel,
        [y.address, address],
        [word(y.address), y.columns, word(ids), n, first, rows, ...regions, columns],
        groups,
        // of all pieces together n rows are read
        i === 0 ? n * weightRowBytes(type, columns) : 0,
      );
    });
  };
}

function manyRows(recorder: Recorder, partsOf: PartsOf) {
  return (products: readonly Product[], x: Tensor, n: number, adds: boolean): void => {
    for (const part of partsOf(products)) {
      const [y, { type, columns }] = part.product;
      const { address, first, rows, regions } = part.piece;
      recorder.dispatch(
        recorder.kernels.get('linear', 'wrr', weightConstants(type)),
        [y.address, address, biasAddress(part)],
        [
          ...[word(y.address) + first, y.columns, word(x.address), x.columns, n, rows, columns],
          ...[biasWord(part), ...regions, adds ? 1 : 0],
        ],
        Math.ceil(n / TILE) * Math.ceil(rows / TILE),
        bytesOf([part]),
      );
    }
  };
}
