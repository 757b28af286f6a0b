// Products of one row: up to three weights of any types a dispatch, or a gate and its partner, and
// what lies around them (lib/one-row.wgsl).
import type { Around, NormBefore, PlainActivation, Product } from '../product.ts';
import type { Tensor } from '../tensor.ts';
import { plainGates } from './elements.ts';
import type { OpenDevice } from './device.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import {
  biasAddress,
  biasWord,
  bytesOf,
  NONE,
  normBytes,
  type Part,
  type PartsOf,
} from './parts.ts';
import type { Recorder } from './recorder.ts';
import { kindsOf } from './weight-types.ts';

/** Weights that a dispatch takes. */
const MOST_PARTS = 3;
/** Rows of a weight, and of each of two gated ones, that a workgroup takes. */
const ROWS = 4;
const GATED_ROWS = 2;
/** Invocations of a workgroup (lib/sum.wgsl), and where a processor plays them. */
export const lanesOf = ({ isSoftware }: Pick<OpenDevice, 'isSoftware'>): number =>
  isSoftware ? 8 : 64;
/** The type of a weight that is not there. */
const NO_KIND = 255;

const kindOf = (part: Part | undefined): number => part?.product[1].type.number ?? NO_KIND;
const kindsAmong = (parts: readonly Part[]): number =>
  kindsOf(parts.map(({ product }) => product[1].type));

/** Parameters, and how many workgroups make all parts. */
function paramsOf(parts: readonly Part[], x: Tensor, around?: Around): [number[], number] {
  const { norm, adds } = around ?? {};
  const params = [
    ...[word(x.address), parts[0].product[1].columns],
    ...(norm ? [word(norm.w.address), floatWord(norm.eps)] : [NONE, 0]),
  ];
  let groups = 0;
  for (const part of parts) {
    const { first, rows, regions } = part.piece;
    const y = word(part.product[0].address) + first;
    params.push(y, rows, biasWord(part), ...regions, groups, adds ? 1 : 0);
    groups += Math.ceil(rows / ROWS);
  }
  for (let i = parts.length; i < MOST_PARTS; i++) params.push(0, 0, NONE, 0, 0, 0, NONE, 0);
  return [params, groups];
}

/** Buffers of all parts; the first part's for those that are not there. */
const filled = (parts: readonly Part[], addressOf: (part: Part) => number): number[] =>
  Array.from({ length: MOST_PARTS }, (_, i) => addressOf(parts[i] ?? parts[0]));

/** A buffer with the norm; any that may be bound where there is none. */
const normAddress = ([{ piece }]: readonly Part[], around?: Around): number =>
  around?.norm?.w.address ?? piece.address;

export function oneRow(recorder: Recorder, partsOf: PartsOf, lanes: number) {
  function multiply(parts: readonly Part[], x: Tensor, around?: Around): void {
    const [params, groups] = paramsOf(parts, x, around);
    const [KIND0, KIND1, KIND2] = [0, 1, 2].map((i) => kindOf(parts[i]));
    const constants = { KIND0, KIND1, KIND2, LANES: lanes, KINDS: kindsAmong(parts) };
    recorder.dispatch(
      recorder.kernels.get('linear-one', 'wrrrrrrr', constants),
      [
        ...[parts[0].product[0].address, normAddress(parts, around)],
        ...filled(parts, ({ piece }) => piece.address),
        ...filled(parts, biasAddress),
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

    /** Where the gate goes, its activation times `up` is written. */
    gated(
      gate: Product,
      up: Product,
      x: Tensor,
      activation: PlainActivation,
      before?: NormBefore,
    ): void {
      const parts = partsOf([gate, up]);
      const [a, b] = parts;
      const constants = {
        KIND0: kindOf(a),
        KIND1: kindOf(b),
        LANES: lanes,
        KINDS: kindsAmong(parts),
        HOW: plainGates[activation],
      };
      recorder.dispatch(
        recorder.kernels.get('gated-one', 'wrrrrr', constants),
        [
          ...[gate[0].address, normAddress(parts, before)],
          ...[a.piece.address, b.piece.address, biasAddress(a), biasAddress(b)],
        ],
        paramsOf(parts, x, before)[0],
        Math.ceil(a.piece.rows / GATED_ROWS),
        bytesOf(parts) + normBytes(before),
      );
    },
  };
}
