// The public way to train with half a model: it is loaded, trained with, and given back.
import type { ModelFiles } from '../model/source.ts';
import * as kinds from '../options/kinds.ts';
import { option, settle } from '../options/table.ts';
import { halfTable, loadHalf, type SplitLoadOptions } from './load.ts';
import { type CutOptions, cutTable, type SplitTrainOptions, splitTrainTable } from './options.ts';
import { prepareSplit, type SplitResult } from './train.ts';

export interface SplitOptions extends CutOptions, SplitTrainOptions {
  /** How this side's half of the model is loaded. */
  readonly loading?: SplitLoadOptions;
}

const loading = kinds.custom<SplitLoadOptions>(
  'an object of options of loadModel()',
  (name, value) => settle(name, value as SplitLoadOptions, halfTable, `${name}.`),
);
/** How half a model is loaded, as an option. */
export const loadingRow = option(loading, { summary: 'how this half is loaded' });

const table = {
  ...cutTable,
  ...splitTrainTable,
  loading: loadingRow,
};

/**
 * Trains an adapter with a model's first layers here and the others at a server (recollect
 * split-serve), with the bits of train(). Only this side's layers are loaded.
 *
 *     const { adapter } = await trainSplit('model.gguf', [{ text: '...' }, ...], {
 *       cut: 4, url: 'wss://...', token: '...' });
 *
 * Throws what loadModel() and train() do, NetworkError where the server cannot be reached (again),
 * and what it refuses for: OptionError (another token, model, cut, ...), BudgetError (it is full),
 * StoreError (it does not know the training any more), ProtocolError.
 */
export async function trainSplit(
  input: ModelFiles,
  lines: readonly unknown[],
  given: SplitOptions,
): Promise<SplitResult> {
  const { cut, labels, loading = {}, ...options } = settle('trainSplit', given, table);
  const { signal } = options;
  const model = await loadHalf(input, 'client', { cut, labels }, { ...loading, signal });
  try {
    return await prepareSplit(model, lines, options).run();
  } finally {
    model.dispose();
  }
}
