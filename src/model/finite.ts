// Finds numbers that are none (NaN, infinite) in stored weights as they pass: a damaged file passes every
// other check, and answers nonsense. It looks at floats, and at the scales of blocks, where such numbers can stand.
import { ModelFormatError } from '../errors.ts';
import type { TensorInfo } from './gguf.ts';
import { ROPE_FACTORS } from './tensors.ts';

/** Exponents of two halves in a word: all ones where a number is none, and then adding one reaches the sign's place. */
const halves = { f16: [0x7c007c00, 0x04000400], bf16: [0x7f807f80, 0x00800080] } as const;

/** Throws ModelFormatError that names the tensor and the first row with a number that is none. `bytes` are its rows from `row` on. */
export function checkFinite(tensor: TensorInfo, row: number, bytes: Uint8Array, file: string): void {
  // typed views need even places; a copy is as large as a piece of the file
  const at = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const found = firstOdd(tensor, at);
  if (found === undefined) return;
  const rowBytes = tensor.byteLength / tensor.rows;
  throw new ModelFormatError(
    `${file}: tensor '${tensor.name}' holds a number that is ${tensor.name === ROPE_FACTORS ? 'zero or ' : ''}not finite in row ` +
      `${row + Math.floor(found / rowBytes)}. The file is damaged, or its training or conversion went wrong: get another copy.`,
  );
}

/** The byte at which the first one stands. */
function firstOdd({ name, type }: TensorInfo, bytes: Uint8Array): number | undefined {
  const { buffer, byteOffset: at, length } = bytes;
  if (type.name === 'f32') {
    const words = new Int32Array(buffer, at, length >> 2);
    let seen = 0;
    for (let i = 0; i < words.length; i++) seen |= (words[i] & 0x7f800000) + 0x00800000;
    const zero = name === ROPE_FACTORS && words.some((w) => (w & 0x7fffffff) === 0);
    if (seen >= 0 && !zero) return undefined;
    return 4 * words.findIndex((w) => (w & 0x7f800000) === 0x7f800000 || (zero && (w & 0x7fffffff) === 0));
  }
  if (type.name === 'f16' || type.name === 'bf16') {
    const [mask, one] = halves[type.name];
    const words = new Int32Array(buffer, at, length >> 2);
    let seen = 0;
    for (let i = 0; i < words.length; i++) seen |= (words[i] & mask) + one;
    const all = new Uint16Array(buffer, at, length >> 1);
    const last = all[all.length - 1] & mask & 0xffff; // an odd number of halves
    const zero = name === ROPE_FACTORS && all.some((h) => (h & 0x7fff) === 0);
    const exponent = mask & 0xffff;
    if ((seen & 0x80008000) === 0 && last !== exponent && !zero) return undefined;
    return 2 * all.findIndex((h) => (h & exponent) === exponent || (zero && (h & 0x7fff) === 0));
  }
  // f16 scales: `head` of them begin a block, `tail` end it
  const fields = new Uint16Array(buffer, at, length >> 1);
  const block = type.head + 2 * type.words + type.tail;
  const places = [...Array(type.head).keys(), ...Array.from({ length: type.tail }, (_, i) => block - type.tail + i)];
  for (const place of places) {
    for (let i = place; i < fields.length; i += block) if ((fields[i] & 0x7c00) === 0x7c00) return 2 * i;
  }
  return undefined;
}
