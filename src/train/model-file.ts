// A model whose weights were trained, as a GGUF file: the old one's keys, and its tensors with the
// new numbers.
import { dequantize } from '../backend/dequantize.ts';
import { quantize } from '../backend/quantize.ts';
import type { DownloadOptions } from '../model/download/options.ts';
import type { LoadProgress } from '../model/load.ts';
import { openModel } from '../model/parts.ts';
import { type MergeType, readModelHeader, rewriteModel, typeFor } from '../model/rewrite.ts';
import type { ModelFiles } from '../model/source.ts';

export interface ModelFileOptions extends DownloadOptions {
  /** What matrices are stored as. Default 'same': as before where we can write that, else F16. */
  readonly type?: MergeType;
  /** Takes the file's bytes, from its first to its last; they may change once it resolves. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Writes the model that was trained, given what it was before and the new numbers of its tensors,
 * by name. Throws as loadModel() does.
 */
export async function writeTrainedModel(
  input: ModelFiles,
  weights: ReadonlyMap<string, Float32Array>,
  options: ModelFileOptions,
): Promise<void> {
  const { type = 'same' } = options;
  const source = await openModel(input, options);
  try {
    const { header, tensors } = await readModelHeader(source, options.signal);
    await rewriteModel(source, header, tensors, {
      ...options,
      typeOf: (tensor) => (weights.has(tensor.name) ? typeFor(tensor, type) : undefined),
      async rowsOf({ name, type: before, columns }, to) {
        const trained = weights.get(name)!;
        return {
          rows(row, rows, bytes) {
            // rows of padding behind the last token were not trained: they stay
            const numbers = dequantize(before.name, bytes, rows * columns);
            numbers.set(trained.subarray(row * columns, (row + rows) * columns));
            return quantize(to.name, numbers);
          },
        };
      },
    });
  } finally {
    await source.close();
  }
}
