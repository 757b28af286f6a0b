// An adapter held against the model that it is to be applied to, and read once from front to back,
// before anything is reserved for either.
import { checksumOfBytes, EMPTY_CHECKSUM } from '../../cache/checksum.ts';
import { OptionError } from '../../errors.ts';
import type { ModelConfig } from '../config.ts';
import { clip } from '../damaged.ts';
import type { TensorInfo } from '../gguf.ts';
import { readTensors } from '../load.ts';
import { keeping, type ModelSource } from '../source.ts';
import type { FilePair, ScaledPair } from './pairs.ts';

/** The tensors of pairs, in the order in which they lie in the file. */
export const tensorsIn = (pairs: readonly FilePair[]): TensorInfo[] =>
  pairs.flatMap(({ a, b }) => [a, b]).sort((one, other) => one.offset - other.offset);

/** Throws OptionError where a pair does not fit its matrix: the adapter is another model's. */
export function checkPairs(
  pairs: readonly FilePair[],
  tensors: readonly TensorInfo[],
  { width, layers }: Pick<ModelConfig, 'width' | 'layers'>,
  file: string,
): void {
  const matrices = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const advice = "choose the adapter's own model";
  for (const { matrix, a, b, rank } of pairs) {
    const base = matrices.get(matrix);
    if (!base)
      throw new OptionError(
        `${file}: tensor '${clip(a.name)}' is for '${matrix}', which the model does not have (it ` +
          `has ${layers} layers): ${advice}`,
      );
    const [wrong, found, expected] =
      a.columns === base.columns
        ? [b, `[${b.rows}, ${b.columns}]`, `[${base.rows}, ${rank}]`]
        : [a, `[${a.rows}, ${a.columns}]`, `[${rank}, ${base.columns}]`];
    if (found !== expected)
      throw new OptionError(
        `${file}: tensor '${clip(wrong.name)}' is ${found}, the model's '${matrix}' wants ` +
          `${expected}: ${advice}`,
      );
    if (rank > width)
      throw new OptionError(
        `${file}: tensor '${clip(a.name)}' has rank ${rank}, the model's width ${width} is the ` +
          `most: train an adapter of a lower rank`,
      );
  }
}

/**
 * Reads all of it and gives a number made of its bytes. Throws ModelFormatError for numbers that
 * are not finite, and for a file that is cut off. A download keeps what it got for the next time.
 */
export async function scanPairs(
  source: ModelSource,
  pairs: readonly ScaledPair[],
  signal?: AbortSignal,
): Promise<number> {
  const kept = keeping(source);
  const facts = pairs.map(({ matrix, rank, scale }) => `${matrix} ${rank} ${scale}`);
  let sum = addBytes(EMPTY_CHECKSUM, new TextEncoder().encode(facts.join()));
  const add = (_: TensorInfo, __: number, ___: number, bytes: Uint8Array) => {
    sum = addBytes(sum, bytes);
  };
  await readTensors([{ source: kept, tensors: tensorsIn(pairs) }], add, { signal });
  return sum;
}

/** The checksum of whole words, for which bytes are copied where they do not lie as such. */
function addBytes(before: number, bytes: Uint8Array): number {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) return checksumOfBytes(before, bytes);
  const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  words.set(bytes);
  return checksumOfBytes(before, words);
}
