// Random weights as files store them: every bit of a block is drawn, its scales are such that a
// product's outputs are about as large as its inputs.
import { weightRowBytes, type WeightType, weightTypes } from '../src/backend/dtype.ts';
import { floatToHalf } from '../src/math/half.ts';

/** Where a block has its f16 scales, and what its numbers' spread is where they are 1. */
interface Blocks {
  readonly columns: number;
  readonly bytes: number;
  readonly scale: number;
  readonly spread: number;
  /** Least numbers of parts, which keep the mean near 0: where, and how large beside the scale. */
  readonly least?: { readonly at: number; readonly times: number };
}

const blocksOf: Readonly<Record<string, Blocks>> = {
  // codes -16 .. 15
  q5_0: { columns: 32, bytes: 22, scale: 0, spread: 9.2 },
  // codes -128 .. 127
  q8_0: { columns: 32, bytes: 34, scale: 0, spread: 74 },
  // codes 0 .. 15 times 0 .. 63, less 0 .. 63
  q4_k: { columns: 256, bytes: 144, scale: 0, spread: 300, least: { at: 2, times: 7.5 } },
  // codes -32 .. 31 times -128 .. 127
  q6_k: { columns: 256, bytes: 210, scale: 208, spread: 1370 },
};

/** The type of a name, or another where rows are no multiple of its blocks. */
export function typeFor(name: string, columns: number, otherwise: string): WeightType {
  const whole = columns % blocksOf[name].columns === 0;
  return weightTypes.find((type) => type.name === (whole ? name : otherwise))!;
}

/** Bits that look random, the same each time: Marsaglia's xorshift, as drawing them takes longest. */
function fillWithBits(bytes: Uint8Array<ArrayBuffer>, seed: number): void {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
  let x = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
}

/** A random matrix of a quantised type, `rows` by `columns`. */
export function randomBlocks(type: WeightType, rows: number, columns: number, seed: number) {
  const { bytes: size, scale, spread, least } = blocksOf[type.name];
  const bytes = new Uint8Array(rows * weightRowBytes(type, columns));
  fillWithBits(bytes, seed);
  const view = new DataView(bytes.buffer);
  const d = 1 / (spread * Math.sqrt(columns));
  const [half, halfLeast] = [floatToHalf(d), floatToHalf(d * (least?.times ?? 0))];
  for (let at = 0; at < bytes.length; at += size) {
    view.setUint16(at + scale, half, true);
    if (least) view.setUint16(at + least.at, halfLeast, true);
  }
  return bytes;
}
