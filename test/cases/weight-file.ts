// Weights as a file holds them, drawn at random.
import { weightRowBytes, type WeightType } from '../../src/backend/dtype.ts';
import { floatToHalf } from '../../src/math/half.ts';
import type { Drawn } from './drawn.ts';

/**
 * Random quants are fine, random scales are not: halves get moderate values, floats are written as
 * such.
 */
export function weightFile(
  drawn: Drawn,
  type: WeightType,
  rows: number,
  columns: number,
): Uint8Array {
  const file = new Uint8Array(rows * weightRowBytes(type, columns));
  for (let i = 0; i < file.length; i++) file[i] = drawn.whole(256);
  const view = new DataView(file.buffer);
  const blockBytes = weightRowBytes(type, type.elements);
  for (let at = 0; at < file.length; at += blockBytes) {
    if (type.name === 'f32') view.setFloat32(at, drawn.numbers(1)[0], true);
    else if (type.name === 'bf16')
      view.setUint16(at, 0x3c00 | (drawn.whole(2) << 15) | drawn.whole(0x3ff), true);
    else {
      // powers of two around 2^-8
      for (let h = 0; h < type.lead; h++) file[at + h] = 116 + drawn.whole(8);
      if (type.name === 'nvfp4') for (let h = 0; h < 4; h++) file[at + h] = drawn.whole(0x50);
      for (let h = 0; h < type.head; h++)
        view.setUint16(at + 2 * h, floatToHalf(drawn.numbers(1)[0] / 16), true);
      for (let h = 0; h < type.tail; h++)
        view.setUint16(at + blockBytes - 2 * (h + 1), floatToHalf(drawn.numbers(1)[0] / 64), true);
      // the upper bits of its last four fields
      if (type.name === 'iq1_m') {
        const scale = floatToHalf(drawn.numbers(1)[0] / 16);
        for (let i = 0, to = at + 48; i < 4; i++, to += 2)
          view.setUint16(
            to,
            (view.getUint16(to, true) & 0xfff) | (((scale >> (4 * i)) & 15) << 12),
            true,
          );
      }
    }
  }
  return file;
}
