// The table of stored weight types: a row a type, by number. Nothing else knows which there are.
import { gemvNumbers, unpackNumbers } from '../gemm/floats';
import { eight_bits, HAS_BYTES, NONE, SEVENS } from '../eight-bits';
import { PAIRS, QUADS, RUNS } from '../gemm/dots';
import { AS_IT_IS, EIGHT_BITS, EIGHT_BITS_WIDE, SIXTEEN_BITS } from '../gemm/rounded';
import { gemvBlocks, unpackBlocks, unpackCodes } from './blocks';
import { IQ1_M } from './iq1_m';
import { IQ1_S } from './iq1_s';
import { IQ2_S } from './iq2_s';
import { IQ2_XS } from './iq2_xs';
import { IQ2_XXS } from './iq2_xxs';
import { IQ3_S } from './iq3_s';
import { IQ3_XXS } from './iq3_xxs';
import { IQ4_NL } from './iq4_nl';
import { IQ4_XS } from './iq4_xs';
import { MXFP4 } from './mxfp4';
import { NVFP4 } from './nvfp4';
import { Exact, Narrow, Sevens, Wide } from './multiply';
import { Bytes, PairsOfCodes } from './panel';
import { Q1_0 } from './q1_0';
import { Q2_0 } from './q2_0';
import { Q2_K } from './q2_k';
import { Q3_K } from './q3_k';
import { Q4_0 } from './q4_0';
import { Q4_1 } from './q4_1';
import { Q4_K } from './q4_k';
import { Q5_0 } from './q5_0';
import { Q5_1 } from './q5_1';
import { Q5_K } from './q5_k';
import { Q6_K } from './q6_k';
import { Q8_0 } from './q8_0';
import { TQ1_0 } from './tq1_0';
import { TQ2_0 } from './tq2_0';

/** y[m] = sum_k x[k] W[m, k]. y f32 [m] | x f32 or rounded [k] | w packed [m, k] */
export type Gemv = (y: usize, x: usize, w: usize, m: i32, k: i32) => void;

/** Products that take x as it is; the others are those of gemm/integers.ts, and want it rounded. */
export const FLOATS: i32 = 0;


@unmanaged
export class WeightType {
  name: usize;
  /** ggml's number for the type. */
  ggml: i32;
  elements: i32;
  lead: i32;
  head: i32;
  words: i32;
  tail: i32;
  /** How products are made: FLOATS, or what gemm/integers.ts has. */
  kind: i32;
  /** Words behind head and tail whose bits are turned. */
  turned: i32;
  /** Where runs of words are told in the order in which they are packed; 0: as they come. */
  order: usize;
  unpack: usize;
  codes: usize;
  gemv: usize;
  /** The same with activations of eight bits (gemm/bytes.ts), where the build has them. */
  narrowKind: i32;
  narrowCodes: usize;
  narrow: usize;
  /** Where two products saturate in 16 bits. */
  sevens: usize;
  /** Codes take all eight bits, or at most four. */
  isEight: i32;
  isFour: i32;

  /** How products of it add up. */
  @inline
  dot(): i32 {
    return eight_bits() != SEVENS ? QUADS : this.isFour ? RUNS : PAIRS;
  }

  /** Bytes of a packed row of k elements. */
  @inline
  rowBytes(k: i32): usize {
    const halves = this.head + this.tail;
    return <usize>(k / this.elements) * <usize>(this.lead + 2 * halves + 4 * this.words);
  }
}

const ROOM: i32 = 32;
const TYPES: usize = memory.data(ROOM * offsetof<WeightType>(), 16);
let count: i32 = 0;


@inline
export function weightType(number: i32): WeightType {
  return changetype<WeightType>(TYPES + <usize>number * offsetof<WeightType>());
}

/** Where a type's row lies: what TypeScript must know is in front (scripts/kernel-table.mjs). */
export function weight_type(number: i32): usize {
  return changetype<usize>(weightType(number));
}

/** How many types there are. */
export function weight_types(): i32 {
  return count;
}

/** How products with a type want x (gemm/rounded.ts), which is to be rounded to 8 bits or not. */
export function input_format(number: i32, eight: bool): i32 {
  const t = weightType(number);
  if (t.kind == FLOATS) return AS_IT_IS;
  if (!eight) return SIXTEEN_BITS;
  const kernels = eight_bits();
  if (kernels == NONE || (kernels == SEVENS && t.isEight)) return EIGHT_BITS_WIDE;
  return EIGHT_BITS;
}

/** Weights that are plain numbers, T as in loadFour() of gemm/floats.ts. Group: [k][4 rows] */
function addNumbers<T>(name: string, ggml: i32): void {
  const type = newType(name, ggml);
  type.elements = 1;
  type.head = sizeof<T>() == 2 ? 1 : 0;
  type.words = sizeof<T>() == 4 ? 1 : 0;
  type.kind = FLOATS;
  type.unpack = changetype<usize>((dst: usize, src: usize, k0: i32, count: i32): void => {
    unpackNumbers<T>(dst, src, k0, count);
  });
  type.gemv = changetype<usize>((y: usize, x: usize, w: usize, m: i32, k: i32): void => {
    gemvNumbers<T>(y, x, w, m, k);
  });
}

/** A type of codes and scales, described by B (blocks.ts), with activations of 16 bits. */
function addWide<B>(name: string, ggml: i32): WeightType {
  const type = newType(name, ggml);
  const block = changetype<B>(0);
  type.elements = block.elements();
  type.lead = block.lead();
  type.head = block.head();
  type.words = block.words();
  type.tail = block.tail();
  type.kind = block.kind();
  type.turned = block.turned();
  type.order = block.order();
  type.unpack = changetype<usize>((dst: usize, src: usize, k0: i32, count: i32): void => {
    unpackBlocks<B>(dst, src, k0, count);
  });
  type.codes = changetype<usize>((dst: usize, src: usize, k0: i32, count: i32): void => {
    unpackCodes<B, PairsOfCodes>(dst, src, k0, count);
  });
  type.gemv = changetype<usize>((y: usize, x: usize, w: usize, m: i32, k: i32): void => {
    gemvBlocks<B, Wide>(y, x, w, m, k);
  });
  return type;
}

/** With activations of eight bits, but for what multiplies one row. */
function addNarrow<B>(type: WeightType): void {
  const block = changetype<B>(0);
  type.isEight = <i32>block.isEight();
  type.isFour = <i32>(block.most() <= 15);
  type.narrowKind = block.narrowKind();
  type.narrowCodes = changetype<usize>((dst: usize, src: usize, k0: i32, count: i32): void => {
    unpackCodes<B, Bytes>(dst, src, k0, count);
  });
}

/** Where the engine is exact with bytes. */
function addExact<B>(type: WeightType): void {
  type.narrow = changetype<usize>((y: usize, x: usize, w: usize, m: i32, k: i32): void => {
    gemvBlocks<B, Narrow<Exact>>(y, x, w, m, k);
  });
}

/** Of codes up to 127, in every engine. */
function addSevens<B>(type: WeightType): void {
  type.sevens = changetype<usize>((y: usize, x: usize, w: usize, m: i32, k: i32): void => {
    gemvBlocks<B, Narrow<Sevens>>(y, x, w, m, k);
  });
  type.narrow = type.sevens;
}

/** Codes that take all eight bits. */
function addEights<B>(name: string, ggml: i32): void {
  const type = addWide<B>(name, ggml);
  if (HAS_BYTES) {
    addNarrow<B>(type);
    addExact<B>(type);
  }
}

/** Codes up to 127. */
function addBlocks<B>(name: string, ggml: i32): void {
  const type = addWide<B>(name, ggml);
  if (HAS_BYTES) {
    addNarrow<B>(type);
    addSevens<B>(type);
    addExact<B>(type);
  }
}

/** The same of types whose time goes into taking codes apart: kernels for every engine are enough. */
function addSlow<B>(name: string, ggml: i32): void {
  const type = addWide<B>(name, ggml);
  if (HAS_BYTES) {
    addNarrow<B>(type);
    addSevens<B>(type);
  }
}

function newType(name: string, ggml: i32): WeightType {
  assert(count < ROOM);
  const type = weightType(count++);
  type.name = changetype<usize>(name);
  type.ggml = ggml;
  return type;
}

// A thread that starts on a memory in use writes again what is there. (zeroFilledMemory and
// memory-packing in asconfig.json: no segment of zeros is laid over the table first, which others
// read meanwhile.)
addNumbers<f32>('f32', 0);
addNumbers<u16>('f16', 1);
addNumbers<i16>('bf16', 30);
addEights<Q8_0>('q8_0', 8);
addBlocks<Q4_0>('q4_0', 2);
addBlocks<Q4_1>('q4_1', 3);
addBlocks<Q5_0>('q5_0', 6);
addBlocks<Q5_1>('q5_1', 7);
addBlocks<Q4_K>('q4_k', 12);
addBlocks<Q5_K>('q5_k', 13);
addBlocks<Q6_K>('q6_k', 14);
addEights<IQ4_NL>('iq4_nl', 20);
addEights<IQ4_XS>('iq4_xs', 23);
addBlocks<Q2_K>('q2_k', 10);
addBlocks<Q3_K>('q3_k', 11);
addBlocks<MXFP4>('mxfp4', 39);
addSlow<NVFP4>('nvfp4', 40);
addSlow<Q1_0>('q1_0', 41);
addSlow<Q2_0>('q2_0', 42);
addSlow<TQ1_0>('tq1_0', 34);
addSlow<TQ2_0>('tq2_0', 35);
addSlow<IQ3_S>('iq3_s', 21);
addSlow<IQ3_XXS>('iq3_xxs', 18);
addSlow<IQ2_S>('iq2_s', 22);
addSlow<IQ2_XS>('iq2_xs', 17);
addSlow<IQ2_XXS>('iq2_xxs', 16);
addSlow<IQ1_M>('iq1_m', 29);
addSlow<IQ1_S>('iq1_s', 19);
