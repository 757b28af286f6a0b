// Adapters as llama.cpp's files hold them: NAME.lora_a [r, k] and NAME.lora_b [m, r] of each matrix
// NAME, one alpha for all, the product times alpha / r. Pairs of what is no matrix of a layer are
// refused: llama.cpp takes them, and leaves them out.
import { ModelFormatError, OptionError, UnsupportedError } from '../../errors.ts';
import { clip } from '../damaged.ts';
import { readAnyGguf, type TensorInfo } from '../gguf.ts';
import type { Header } from '../header.ts';
import type { ModelSource } from '../source.ts';
import { type Half, pairUp, type ScaledPair } from './pairs.ts';
import { placeOf, type Side, targetNames, targets } from './spec.ts';

/** Keys about adapters that are followed. */
const followed = new Set(['adapter.type', 'adapter.lora.alpha', 'adapter.lora.task_name']);

/**
 * Reads a header. Throws ModelFormatError, UnsupportedError; OptionError where the
 * adapter is for another architecture.
 */
export async function readGgufAdapter(
  source: ModelSource,
  architecture: string,
  signal?: AbortSignal,
): Promise<ScaledPair[]> {
  const file = source.name;
  const { header, tensors } = await readAnyGguf(source, refuseOthers, signal);
  const made = header.metadata['general.architecture'];
  if (made !== architecture)
    throw new OptionError(
      `${file}: an adapter for architecture '${clip(String(made))}', the model's is ` +
        `'${architecture}': choose the adapter's own model`,
    );
  const alpha = alphaOf(header, file);
  return pairUp(
    tensors.map((tensor) => halfOf(tensor, file)),
    file,
  ).map((pair) => ({ ...pair, scale: alpha === 0 ? 1 : alpha / pair.rank }));
}

/** Throws UnsupportedError for what is no LoRA adapter, or asks for what we do not follow. */
function refuseOthers({ metadata }: Header, file: string): void {
  const type = metadata['general.type'] ?? 'model';
  if (type !== 'adapter')
    throw new UnsupportedError(
      `${file}: general.type is '${clip(String(type))}', expected 'adapter': name an adapter ` +
        `here, and the model as the model`,
    );
  const kind = metadata['adapter.type'];
  if (kind !== 'lora')
    throw new UnsupportedError(
      `${file}: adapter.type is '${clip(String(kind))}', supported is 'lora': choose another ` +
        `adapter`,
    );
  for (const key of Object.keys(metadata))
    if (key.startsWith('adapter.') && !followed.has(key))
      throw new UnsupportedError(
        `${file}: metadata '${clip(key)}' changes what an adapter does, and we do not follow it: ` +
          `choose a plain LoRA adapter`,
      );
}

/** As llama.cpp: without alpha, or where it is 0, products are multiplied by 1. */
function alphaOf({ metadata }: Header, file: string): number {
  const alpha = metadata['adapter.lora.alpha'] ?? 0;
  if (typeof alpha === 'number' && Number.isFinite(alpha)) return alpha;
  throw new ModelFormatError(
    `${file}: metadata 'adapter.lora.alpha' is ${clip(String(alpha))}, expected a finite number: ` +
      `get another copy`,
  );
}

function halfOf(tensor: TensorInfo, file: string): Half {
  const [, matrix, side] = /^(.*)\.(lora_[ab])$/.exec(tensor.name) ?? [];
  if (matrix === undefined)
    throw new UnsupportedError(
      `${file}: tensor '${clip(tensor.name)}' is no half of a pair (lora_a, lora_b); leaving it ` +
        `out would change the answers: choose a plain LoRA adapter`,
    );
  if (tensor.experts)
    throw new UnsupportedError(
      `${file}: tensor '${clip(tensor.name)}' has 3 dimensions, a pair for experts; adapters are ` +
        `applied to matrices of 2: train it on these alone`,
    );
  if (!placeOf(matrix))
    throw new UnsupportedError(
      `${file}: tensor '${clip(tensor.name)}' is for '${clip(matrix)}'; adapters are applied to ` +
        `${targetNames.map((key) => targets[key].gguf).join(', ')} of layers: train it on these ` +
        `alone, or merge it with other software`,
    );
  return { matrix, side: side as Side, tensor };
}
