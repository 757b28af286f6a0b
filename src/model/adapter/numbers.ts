// The numbers of an adapter that was opened, pair by pair: for those who write it again, or merge
// it. A model gets the stored bytes instead (open.ts).
import { dequantize } from '../../backend/dequantize.ts';
import type { TensorInfo } from '../gguf.ts';
import { readTensors } from '../load.ts';
import { keeping, type ModelSource } from '../source.ts';
import type { ScaledPair } from './pairs.ts';
import type { PairData } from './write.ts';

/**
 * A pair's numbers; rows of B are in GGUF's order. Throws ModelFormatError where they end early.
 */
export async function readPair(
  source: ModelSource,
  { matrix, rank, a, b }: ScaledPair,
  signal?: AbortSignal,
): Promise<PairData> {
  // pairs are read in any order, and some twice
  const kept = keeping(source);
  const numbersOf = (tensor: TensorInfo) => readNumbers(kept, tensor, signal);
  return { matrix, rank, a: await numbersOf(a), b: await numbersOf(b) };
}

async function readNumbers(
  source: ModelSource,
  tensor: TensorInfo,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { type, rows, columns } = tensor;
  const out = new Float32Array(rows * columns);
  await readTensors(
    [{ source, tensors: [tensor] }],
    (_, row, count, bytes) => out.set(dequantize(type.name, bytes, count * columns), row * columns),
    { signal },
  );
  return out;
}
