// Numbers as the bytes of a GGUF weight: what dequantize.ts reads. Types that are rounded so that
// their error is as small as it can be (Q4_0 and the K types, which search for their scales) are
// left to other software.
import { floatToHalf } from '../math/half.ts';
import { type WeightName, weightRowBytes, weightTypes } from './dtype.ts';

type Encode = (view: DataView, at: number, numbers: Float32Array, from: number) => void;

/** Writes one block of a type, `numbers` from `from` on. */
const encoders: Partial<Record<WeightName, Encode>> = {
  f32: (view, at, numbers, from) => view.setFloat32(at, numbers[from], true),
  f16: (view, at, numbers, from) => view.setUint16(at, floatToHalf(numbers[from]), true),
  bf16: (view, at, numbers, from) => view.setUint16(at, brainHalf(numbers[from]), true),
  // d f16 | 32 i8, as ggml: codes are made by d in f32, before it is a half
  q8_0(view, at, numbers, from) {
    let most = 0;
    for (let i = 0; i < 32; i++) most = Math.max(most, Math.abs(numbers[from + i]));
    const d = Math.fround(most / 127);
    const by = d === 0 ? 0 : Math.fround(1 / d);
    view.setUint16(at, floatToHalf(d), true);
    for (let i = 0; i < 32; i++) view.setInt8(at + 2 + i, awayFromZero(numbers[from + i] * by));
  },
};

/** The nearest bf16, ties to even. */
function brainHalf(value: number): number {
  const word = new DataView(new ArrayBuffer(4));
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

const awayFromZero = (x: number) => (x < 0 ? -Math.round(-x) : Math.round(x));

/** Whether numbers can be written as a type. */
export const canQuantize = (type: WeightName): boolean => encoders[type] !== undefined;

/** The bytes of rows of finite numbers; canQuantize(type), and whole blocks. */
export function quantize(type: WeightName, numbers: Float32Array): Uint8Array<ArrayBuffer> {
  const row = weightTypes.find(({ name }) => name === type)!;
  const encode = encoders[type]!;
  const size = weightRowBytes(row, row.elements);
  const out = new Uint8Array((numbers.length / row.elements) * size);
  const view = new DataView(out.buffer);
  for (let i = 0, at = 0; i < numbers.length; i += row.elements, at += size)
    encode(view, at, numbers, i);
  return out;
}
