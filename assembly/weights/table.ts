// The table of stored weight types: a row a type, by number. Nothing else knows which there are.
import { Unpack } from '../gemm/floats';
import { HALVES, OFFSETS, SCALES, UnpackCodes } from '../gemm/integers';
import * as f32 from './f32';
import * as f16 from './f16';
import * as bf16 from './bf16';
import * as q8_0 from './q8_0';
import * as q4_0 from './q4_0';
import * as q4_1 from './q4_1';
import * as q5_0 from './q5_0';
import * as q5_1 from './q5_1';
import * as q4_k from './q4_k';
import * as q5_k from './q5_k';
import * as q6_k from './q6_k';

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
  head: i32;
  words: i32;
  tail: i32;
  /** How products are made: FLOATS, SCALES, OFFSETS or HALVES. */
  kind: i32;
  unpack: usize;
  codes: usize;
  gemv: usize;

  /** Bytes of a packed row of k elements. */
  @inline
  rowBytes(k: i32): usize {
    return <usize>(k / this.elements) * <usize>(2 * this.head + 4 * this.words + 2 * this.tail);
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

function add(
  name: string,
  ggml: i32,
  elements: i32,
  head: i32,
  words: i32,
  tail: i32,
  kind: i32,
  unpack: Unpack,
  codes: UnpackCodes,
  gemv: Gemv,
): void {
  assert(count < ROOM);
  const type = weightType(count++);
  type.name = changetype<usize>(name);
  type.ggml = ggml;
  type.elements = elements;
  type.head = head;
  type.words = words;
  type.tail = tail;
  type.kind = kind;
  type.unpack = changetype<usize>(unpack);
  type.codes = changetype<usize>(codes);
  type.gemv = changetype<usize>(gemv);
}

function noCodes(dst: usize, src: usize, k0: i32, count: i32): void {
  unreachable();
}

// A thread that starts on a memory in use writes again what is there. (zeroFilledMemory in
// asconfig.json: no segment of zeros is laid over the table first, which others read meanwhile.)
add('f32', 0, f32.ELEMENTS, f32.HEAD, f32.WORDS, f32.TAIL, FLOATS, f32.unpack, noCodes, f32.gemv);
add('f16', 1, f16.ELEMENTS, f16.HEAD, f16.WORDS, f16.TAIL, FLOATS, f16.unpack, noCodes, f16.gemv);
add(
  'bf16',
  30,
  bf16.ELEMENTS,
  bf16.HEAD,
  bf16.WORDS,
  bf16.TAIL,
  FLOATS,
  bf16.unpack,
  noCodes,
  bf16.gemv,
);
add(
  'q8_0',
  8,
  q8_0.ELEMENTS,
  q8_0.HEAD,
  q8_0.WORDS,
  q8_0.TAIL,
  SCALES,
  q8_0.unpack,
  q8_0.codes,
  q8_0.gemv,
);
add(
  'q4_0',
  2,
  q4_0.ELEMENTS,
  q4_0.HEAD,
  q4_0.WORDS,
  q4_0.TAIL,
  SCALES,
  q4_0.unpack,
  q4_0.codes,
  q4_0.gemv,
);
add(
  'q4_1',
  3,
  q4_1.ELEMENTS,
  q4_1.HEAD,
  q4_1.WORDS,
  q4_1.TAIL,
  OFFSETS,
  q4_1.unpack,
  q4_1.codes,
  q4_1.gemv,
);
add(
  'q5_0',
  6,
  q5_0.ELEMENTS,
  q5_0.HEAD,
  q5_0.WORDS,
  q5_0.TAIL,
  SCALES,
  q5_0.unpack,
  q5_0.codes,
  q5_0.gemv,
);
add(
  'q5_1',
  7,
  q5_1.ELEMENTS,
  q5_1.HEAD,
  q5_1.WORDS,
  q5_1.TAIL,
  OFFSETS,
  q5_1.unpack,
  q5_1.codes,
  q5_1.gemv,
);
add(
  'q4_k',
  12,
  q4_k.ELEMENTS,
  q4_k.HEAD,
  q4_k.WORDS,
  q4_k.TAIL,
  OFFSETS,
  q4_k.unpack,
  q4_k.codes,
  q4_k.gemv,
);
add(
  'q5_k',
  13,
  q5_k.ELEMENTS,
  q5_k.HEAD,
  q5_k.WORDS,
  q5_k.TAIL,
  OFFSETS,
  q5_k.unpack,
  q5_k.codes,
  q5_k.gemv,
);
add(
  'q6_k',
  14,
  q6_k.ELEMENTS,
  q6_k.HEAD,
  q6_k.WORDS,
  q6_k.TAIL,
  HALVES,
  q6_k.unpack,
  q6_k.codes,
  q6_k.gemv,
);
