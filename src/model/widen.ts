// Weights widened to f32 while they are loaded: what can be trained itself.
import { dequantize } from '../backend/dequantize.ts';
import { weightTypes } from '../backend/dtype.ts';
import type { TensorInfo } from './gguf.ts';

const FLOATS = weightTypes.find(({ name }) => name === 'f32')!;

/** The tensor as it is in memory then. */
export const widened = (tensor: TensorInfo): TensorInfo => ({
  ...tensor,
  type: FLOATS,
  byteLength: tensor.rows * tensor.columns * 4,
});

/** Some of its rows, of which the file has `bytes`. */
export function widenedBytes(tensor: TensorInfo, rows: number, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(dequantize(tensor.type.name, bytes, rows * tensor.columns).buffer);
}
