// Which layers attend to the rows of others.
import { ModelFormatError } from '../../errors.ts';
import type { MetadataReader } from '../metadata.ts';
import type { Shape } from './architecture.ts';

export const sharedRowsKey = 'attention.shared_kv_layers';

/**
 * The layer whose rows a layer attends to; undefined: its own. The last layers have none, and see
 * those of the last one before them with, or without, a window, as they have one. `fallback`: how
 * many they are where the file does not say.
 */
export function rowOwners(
  { layers, file }: Shape,
  read: MetadataReader,
  windows: readonly unknown[],
  fallback = 0,
): (layer: number) => number | undefined {
  const own = layers - read.number(sharedRowsKey, fallback);
  if (!(Number.isInteger(own) && own >= 2 && own <= layers))
    throw read.wrong(sharedRowsKey, `a whole number of layers below ${layers - 1}`);
  const isFit =
    own === layers || (windows[own - 1] === undefined && windows[own - 2] !== undefined);
  if (!isFit)
    throw new ModelFormatError(
      `${file}: layers from ${own} on share rows, but the last two before them are not one with ` +
        `a window and one without`,
    );
  return (layer) => (layer < own ? undefined : windows[layer] === undefined ? own - 1 : own - 2);
}
