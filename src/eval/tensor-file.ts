// Tensors of one layer in a file of text, and whether they fit together. Its format is that of
// test/fixtures/policies.json.
import { OptionError } from '../errors.ts';

/**
 * Tensors of one layer, after RoPE. Hq query heads share Hkv kv heads of d; the window is the last
 * of the n tokens.
 */
export interface TensorFile {
  readonly shape: {
    readonly Hq: number;
    readonly Hkv: number;
    readonly n: number;
    readonly d: number;
    readonly window: number;
    readonly patched: number;
    readonly D: number;
    readonly budget: number;
  };
  /** [Hkv, n, d] */
  readonly keys: number[][][];
  readonly values: number[][][];
  /** [Hq, window, d] and [Hq, patched, d] */
  readonly windowQueries: number[][][];
  readonly patchedQueries: number[][][];
  /** [Hq * d, D] */
  readonly Wo: number[][];
  readonly layerBudgets?: {
    readonly similarity: number[];
    readonly cases: readonly {
      readonly M: number;
      readonly alpha: number;
      readonly rows: number;
    }[];
  };
}

/** More numbers than this in a file of text are a mistake. */
const MAX_NUMBERS = 1 << 26;

/** Throws OptionError for tensors whose shapes do not fit together, or which hold no numbers. */
export function checkTensors(file: TensorFile): void {
  if (
    file === null ||
    typeof file !== 'object' ||
    typeof file.shape !== 'object' ||
    file.shape === null
  )
    refuse("expected an object with 'shape'");
  const { shape } = file;
  for (const key of ['Hq', 'Hkv', 'n', 'd', 'window', 'patched', 'D', 'budget'] as const) {
    if (!Number.isInteger(shape[key]) || shape[key] < 1)
      refuse(`shape.${key} is ${shape[key]}, expected a whole number from 1`);
  }
  const { Hq, Hkv, n, d, window, patched, D } = shape;
  if (Hq % Hkv !== 0) refuse(`${Hq} query heads cannot share ${Hkv} kv heads`);
  if (window > n) refuse(`a window of ${window} among ${n} tokens`);
  if (n * d * Hkv > MAX_NUMBERS || Hq * d * D > MAX_NUMBERS)
    refuse('the shape is larger than any file of text');
  checkTensor('keys', file.keys, [Hkv, n, d]);
  checkTensor('values', file.values, [Hkv, n, d]);
  checkTensor('windowQueries', file.windowQueries, [Hq, window, d]);
  checkTensor('patchedQueries', file.patchedQueries, [Hq, patched, d]);
  checkTensor('Wo', file.Wo, [Hq * d, D]);
}

function refuse(why: string): never {
  throw new OptionError(`the tensors do not fit together: ${why}`);
}

/** Throws for what is no tensor of such sizes, the outermost first. */
function checkTensor(name: string, value: unknown, sizes: readonly number[]): void {
  if (sizes.length === 0) {
    if (!Number.isFinite(value)) refuse(`${name} holds ${String(value)}, expected finite numbers`);
    return;
  }
  if (!Array.isArray(value) || value.length !== sizes[0])
    refuse(
      `${name} has ${Array.isArray(value) ? value.length : typeof value} entries, expected ` +
        `${sizes[0]}`,
    );
  for (const part of value as unknown[]) checkTensor(name, part, sizes.slice(1));
}
