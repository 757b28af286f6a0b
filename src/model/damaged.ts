// How a model file is refused that tells what cannot be true.
import { ModelFormatError } from '../errors.ts';
import type { ModelSource } from './source.ts';

/** A name as messages show it. */
export const clip = (name: string): string => name.slice(0, 80);

/** The error for it: `what` says what was found, and what is possible. */
export function damaged(source: ModelSource, what: string): ModelFormatError {
  return new ModelFormatError(
    `${source.name}: ${what}. The file is damaged or was cut off: get another copy.`,
  );
}
