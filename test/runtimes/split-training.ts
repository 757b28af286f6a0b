// A small split training that every runtime does alike, and the whole one that it must be like.
import { checksumOfBytes, EMPTY_CHECKSUM } from '../../src/cache/checksum.ts';
import {
  type AdapterData,
  loadModel,
  type ModelInput,
  train,
  trainSplit,
} from '../../src/index.ts';

/** Both sides compute with the same kernels; Bun's relaxed ones round otherwise than V8's. */
export const BUILD = 'simd';
export const CUT = 3;
export const TOKEN = 'a token of runtimes';

const lines = Array.from({ length: 12 }, (_, i) => ({
  text: `Mia has ${i % 7} cats and Ravi has ${(3 * i) % 11} dogs.`,
}));
const options = { steps: 4, batch: 4, rank: 2, rate: 0.01, heldOut: 0.2 };
const loading = { build: BUILD, threads: 1 } as const;

/** Losses, and a checksum of all numbers of an adapter. */
function digest(losses: readonly number[], adapter: AdapterData): string {
  let sum = EMPTY_CHECKSUM;
  for (const { a, b } of adapter.pairs)
    for (const numbers of [a, b])
      sum = checksumOfBytes(sum, new Uint8Array(Float32Array.from(numbers).buffer));
  return `${losses.join(' ')} ${sum}`;
}

export async function trainedWhole(input: ModelInput): Promise<string> {
  const model = await loadModel(input, loading);
  const { result, adapter } = await train(model, lines, options);
  model.dispose();
  return digest(result.losses, adapter!);
}

export async function trainedSplit(input: ModelInput, url: string): Promise<string> {
  const how = { ...options, cut: CUT, url, token: TOKEN, loading };
  const { losses, adapter } = await trainSplit(input, lines, how);
  return digest(losses, adapter);
}
