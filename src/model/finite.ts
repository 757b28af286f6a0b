// Finds numbers that are none (NaN, infinite) in stored weights as they pass: a damaged file
// passes every other check, and answers nonsense. It looks at floats, and at the scales of blocks,
// where such numbers can stand.
import { type WeightName, weightRowBytes } from '../backend/dtype.ts';
import { ModelFormatError } from '../errors.ts';
import type { TensorInfo } from './gguf.ts';
import { ROPE_FACTORS } from './tensors.ts';

/**
 * Whether words hold an exponent of ones, by adding one to each masked exponent: only such a one
 * reaches the sign's place. A loop a type with its numbers in it: at 0.18 ms a MiB it is lost
 * beside reading and packing.
 */
const looks = {
  f32(words: Int32Array): boolean {
    let seen = 0;
    for (let i = 0; i < words.length; i++) seen |= (words[i] & 0x7f800000) + 0x00800000;
    return seen < 0;
  },
  f16(words: Int32Array): boolean {
    let seen = 0;
    for (let i = 0; i < words.length; i++) seen |= (words[i] & 0x7c007c00) + 0x04000400;
    return (seen & 0x80008000) !== 0;
  },
  bf16(words: Int32Array): boolean {
    let seen = 0;
    for (let i = 0; i < words.length; i++) seen |= (words[i] & 0x7f807f80) + 0x00800080;
    return (seen & 0x80008000) !== 0;
  },
};

/** How many 16-bit fields in front of a block are numbers, where not all are. */
const scalesInFront: Partial<Record<WeightName, number>> = { iq4_xs: 1 };

/** Scales that are a byte are powers of two: above this one, a code of 12 times it is no f32. */
const MOST_EXPONENT = 252;

/**
 * Throws ModelFormatError that names the tensor and the first row with a number that is none.
 * `bytes` are its rows from `row` on.
 */
export function checkFinite(
  tensor: TensorInfo,
  row: number,
  bytes: Uint8Array,
  file: string,
): void {
  // typed views need even places; a copy is as large as a piece of the file
  const at = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const found = firstOdd(tensor, at);
  if (found === undefined) return;
  const rowBytes = tensor.byteLength / tensor.rows;
  throw new ModelFormatError(
    `${file}: tensor '${tensor.name}' holds a number that is ` +
      `${tensor.name === ROPE_FACTORS ? 'zero or ' : ''}not finite in row ` +
      `${row + Math.floor(found / rowBytes)}. The file is damaged, or its training or ` +
      `conversion went wrong: get another copy.`,
  );
}

/** The byte at which the first one stands. */
function firstOdd({ name, type }: TensorInfo, bytes: Uint8Array): number | undefined {
  const { buffer, byteOffset: at, length } = bytes;
  const divides = name === ROPE_FACTORS;
  if (type.name === 'f32') {
    const words = new Int32Array(buffer, at, length >> 2);
    if (!looks.f32(words) && !divides) return undefined;
    return byteOf(
      words,
      4,
      (w) => (w & 0x7f800000) === 0x7f800000 || (divides && (w & 0x7fffffff) === 0),
    );
  }
  const fields = new Uint16Array(buffer, at, length >> 1);
  if (type.name === 'f16' || type.name === 'bf16') {
    const exponent = type.name === 'f16' ? 0x7c00 : 0x7f80;
    const last = fields[fields.length - 1] & exponent; // alone where their number is odd
    if (!looks[type.name](new Int32Array(buffer, at, length >> 2)) && last !== exponent && !divides)
      return undefined;
    return byteOf(fields, 2, (h) => (h & exponent) === exponent || (divides && (h & 0x7fff) === 0));
  }
  if (type.name === 'iq1_m') return oddSplitScale(fields);
  const block = weightRowBytes(type, type.elements);
  if (type.lead > 0) {
    for (let i = 0; i < length; i += block) if (bytes[i] > MOST_EXPONENT) return i;
    return undefined;
  }
  // f16 scales: `head` of them begin a block, `tail` end it
  const [step, front] = [block / 2, scalesInFront[type.name] ?? type.head];
  for (let field = 0; field < step; field++) {
    if (field >= front && field < step - type.tail) continue;
    for (let i = field; i < fields.length; i += step)
      if ((fields[i] & 0x7c00) === 0x7c00) return 2 * i;
  }
  return undefined;
}

/** IQ1_M's f16 scale lies in the upper bits of a block's last four fields, the highest last. */
function oddSplitScale(fields: Uint16Array): number | undefined {
  for (let i = 27; i < fields.length; i += 28)
    if ((fields[i] & 0x7000) === 0x7000 && (fields[i - 1] & 0xc000) === 0xc000) return 2 * i;
  return undefined;
}

function byteOf(
  numbers: Int32Array | Uint16Array,
  size: number,
  is: (x: number) => boolean,
): number | undefined {
  const index = numbers.findIndex(is);
  return index < 0 ? undefined : size * index;
}
