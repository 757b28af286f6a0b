// Products with weights as they are stored. One row of x is decoding: its kernels take several
// weights in one dispatch, with what lies around the products; a few rows go one by one. Many rows
// go tile by tile, a dispatch a weight.
import type { Backend } from '../backend.ts';
import type { ElementOps } from '../cpu/operations.ts';
import { weightRowBytes } from '../dtype.ts';
import type { Activation, Around, NormBefore, Product } from '../product.ts';
import type { Tensor } from '../tensor.ts';
import type { OpenDevice } from './device.ts';
import { type Heap, wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import type { Recorder } from './recorder.ts';
import {
  kindsOf,
  weightConstants,
  type WeightPiece,
  type WeightStore,
  weightStore,
} from './weights.ts';

type ProductOps = Pick<
  Backend,
  'weightBytes' | 'packRows' | 'embed' | 'linear' | 'linearOne' | 'gated'
>;

/** Weights that a dispatch takes for one row (lib/one-row.wgsl). */
const MOST_PARTS = 3;
/** Rows of a weight, and of each of two gated ones, that a workgroup multiplies with one row. */
const ROWS_OF_ONE = 4;
const ROWS_OF_GATED = 2;
/** Invocations of a workgroup there (lib/sum.wgsl); on a device that has them one by one. */
const LANES = 64;
const SOFTWARE_LANES = 8;
/** As many rows of x cost less one by one than in a tile that they leave empty. */
const FEW_ROWS = 8;
/** Rows of x, and of a weight, of a tile (linear.wgsl). */
const TILE = 64;
/** No norm, no bias, no weight, in parameters. */
const NONE = 0xffffffff;
/** The type of a weight that is not there. */
const NO_KIND = 255;

/** A product with the rows of a weight that one buffer has. */
interface Part {
  readonly product: Product;
  readonly piece: WeightPiece;
}

type PartsOf = (products: readonly Product[]) => Part[];

/** Row i of a tensor. */
const rowOf = ({ address, columns }: Tensor, i: number): Tensor => ({
  address: address + 4 * i * columns,
  columns,
});
const productOf = ([y, w, bias]: Product, i: number): Product => [rowOf(y, i), w, bias];

export function productOps(
  recorder: Recorder,
  heap: Heap,
  elements: ElementOps,
  { isSoftware }: Pick<OpenDevice, 'isSoftware'>,
): ProductOps {
  const { weightBytes, packRows, piecesOf } = weightStore(recorder, heap);
  const partsOf: PartsOf = (products) =>
    products.flatMap((product) => piecesOf(product[1]).map((piece) => ({ product, piece })));
  const one = oneRow(recorder, partsOf, isSoftware ? SOFTWARE_LANES : LANES);
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
      if (n <= FEW_ROWS && one.canGate(gate, up)) {
        for (let i = 0; i < n; i++) {
          const products = [[rowOf(y, i), gate[1], gate[2]], up] as const;
          one.gated(products, rowOf(x, i), activation, before);
        }
        return;
      }
      linear([gate, up], x, n, before);
      const activate = activation === 'silu' ? elements.swiglu : elements.geglu;
      activate(y, gate[0], up[0], n);
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

/** Bytes of weights and biases that parts read. */
const bytesOf = (parts: readonly Part[]): number =>
  parts.reduce(
    (sum, { product: [, { type, columns }, bias], piece: { rows } }) =>
      sum + rows * (weightRowBytes(type, columns) + (bias ? 4 : 0)),
    0,
  );

const normBytes = ({ norm }: Partial<Around> = {}): number => (norm ? 4 * norm.w.columns : 0);

/** Where a part's bias begins, in words. */
const biasWord = ({ product: [, , bias], piece }: Part): number =>
  bias ? word(bias.address) + piece.first : NONE;

/** A buffer with a part's bias; any that may be bound where there is none. */
const biasAddress = ({ product: [, , bias], piece }: Part): number =>
  bias ? bias.address : piece.address;

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

function oneRow(recorder: Recorder, partsOf: PartsOf, LANES: number) {
  /** Parameters of lib/one-row.wgsl, and how many workgroups make all parts. */
  function paramsOf(parts: readonly Part[], x: Tensor, around?: Around): [number[], number] {
    const { norm, adds } = around ?? {};
    const k = parts[0].product[1].columns;
    const params = [
      ...[word(x.address), k],
      ...(norm ? [word(norm.w.address), floatWord(norm.eps)] : [NONE, 0]),
    ];
    let groups = 0;
    for (const part of parts) {
      const { first, rows, regions } = part.piece;
      const y = word(part.product[0].address) + first;
      params.push(y, rows, biasWord(part), ...regions, groups, adds ? 1 : 0);
      groups += Math.ceil(rows / ROWS_OF_ONE);
    }
    for (let i = parts.length; i < MOST_PARTS; i++) params.push(0, 0, NONE, 0, 0, 0, NONE, 0);
    return [params, groups];
  }

  /** `count` buffers, the first again for those that are not there. */
  const filled = (addresses: readonly number[], count: number): number[] =>
    Array.from({ length: count }, (_, i) => addresses[i] ?? addresses[0]);

  function multiply(parts: readonly Part[], x: Tensor, around?: Around): void {
    const kind = (i: number) => parts[i]?.product[1].type.number ?? NO_KIND;
    const [params, groups] = paramsOf(parts, x, around);
    const { address } = parts[0].piece;
    recorder.dispatch(
      recorder.kernels.get('linear-one', 'wrrrrrrr', {
        KIND0: kind(0),
        KIND1: kind(1),
        KIND2: kind(2),
        LANES,
        KINDS: kindsOf(parts.map(({ product }) => product[1].type)),
      }),
      [
        ...[parts[0].product[0].address, around?.norm?.w.address ?? address],
        ...filled(
          parts.map(({ piece }) => piece.address),
          MOST_PARTS,
        ),
        ...filled(parts.map(biasAddress), MOST_PARTS),
      ],
      params,
      groups,
      bytesOf(parts) + normBytes(around),
    );
  }

  return {
    linear(products: readonly Product[], x: Tensor, around?: Around): void {
      const parts = partsOf(products);
      for (let i = 0; i < parts.length; i += MOST_PARTS)
        multiply(parts.slice(i, i + MOST_PARTS), x, around);
    },

    /** Whether none of the weights is of several buffers. */
    canGate: (gate: Product, up: Product): boolean => partsOf([gate, up]).length === 2,

    gated(
      products: readonly [gate: Product, up: Product],
      x: Tensor,
      activation: Activation,
      before?: NormBefore,
    ): void {
      const parts = partsOf(products);
      const [a, b] = parts;
      const [params] = paramsOf(parts, x, before);
      const [gate, up] = parts.map(({ product }) => product[1].type);
      recorder.dispatch(
        recorder.kernels.get('gated-one', 'wrrrrr', {
          KIND0: gate.number,
          KIND1: up.number,
          LANES,
          KINDS: kindsOf([gate, up]),
          GELU: activation === 'gelu' ? 1 : 0,
        }),
        [
          ...[products[0][0].address, before?.norm.w.address ?? a.piece.address],
          ...[a.piece.address, b.piece.address, biasAddress(a), biasAddress(b)],
        ],
        params,
        Math.ceil(a.piece.rows / ROWS_OF_GATED),
        bytesOf(parts) + normBytes(before),
      );
    },
  };
}
