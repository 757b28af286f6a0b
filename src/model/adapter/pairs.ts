// The halves that adapter files hold, put together to pairs: A [r, k] and B [m, r] of each matrix.
import { ModelFormatError } from '../../errors.ts';
import { clip } from '../damaged.ts';
import type { TensorInfo } from '../gguf.ts';
import { type Side, sides } from './spec.ts';

/** One tensor of an adapter file, and what it is of whom. */
export interface Half {
  /** GGUF's name of the matrix. */
  readonly matrix: string;
  readonly side: Side;
  readonly tensor: TensorInfo;
}

/** What a file has for a matrix; its tensors are called as they are there. */
export interface FilePair {
  readonly matrix: string;
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  readonly rank: number;
  /** Where the model keeps rows of the matrix apart, as it does those of B. */
  readonly parts?: TensorInfo['parts'];
}

/** A pair, and what the file says that its product is multiplied by. */
export interface ScaledPair extends FilePair {
  readonly scale: number;
}

/** Throws ModelFormatError that names a tensor that is there twice, without its other half, or of
 * another rank than that. */
export function pairUp(halves: readonly Half[], file: string): FilePair[] {
  const byMatrix = new Map<string, Partial<Record<Side, TensorInfo>>>();
  for (const { matrix, side, tensor } of halves) {
    const pair = byMatrix.get(matrix) ?? {};
    const other = pair[side];
    if (other)
      throw new ModelFormatError(
        `${file}: tensors '${clip(other.name)}' and '${clip(tensor.name)}' are the same half of ` +
          `a pair: get another copy`,
      );
    pair[side] = tensor;
    byMatrix.set(matrix, pair);
  }
  if (byMatrix.size === 0)
    throw new ModelFormatError(`${file}: an adapter without tensors: get another copy`);
  return [...byMatrix].map(([matrix, { lora_a: a, lora_b: b }]) => {
    if (!a || !b) {
      const missing = sides[a ? 1 : 0].replace('lora_', '').toUpperCase();
      throw new ModelFormatError(
        `${file}: tensor '${clip((a ?? b)!.name)}' is half of a pair, its ${missing} is missing: ` +
          `the file was cut or written wrongly, get another copy`,
      );
    }
    if (b.columns !== a.rows)
      throw new ModelFormatError(
        `${file}: tensor '${clip(a.name)}' has rank ${a.rows}, '${clip(b.name)}' ${b.columns}: ` +
          `the two must be equal, get another copy`,
      );
    return { matrix, a, b, rank: a.rows };
  });
}
