// Which layers see a window of the text only.
import type { MetadataReader } from '../metadata.ts';
import type { Shape } from './architecture.ts';

/** No text is longer. */
const MAX_WINDOW = 2 ** 30;

const WINDOW = 'attention.sliding_window';
const PATTERN = 'attention.sliding_window_pattern';
/** Keys that windowsOf() follows. */
export const windowKeys = [WINDOW, PATTERN] as const;

/**
 * The window of each layer, in tokens, undefined where it sees all: one layer in `pattern` does,
 * where the file does not say which. `fallback`: the window where the file does not tell it.
 */
export function windowsOf(
  { layers }: Pick<Shape, 'layers'>,
  read: MetadataReader,
  pattern: number,
  fallback = 0,
): (number | undefined)[] {
  if (read.number(WINDOW, fallback) === 0) return new Array(layers).fill(undefined);
  const window = read.count(WINDOW, MAX_WINDOW, fallback);
  const given = read.value(PATTERN);
  if (Array.isArray(given)) {
    if (given.length !== layers || given.some((local) => typeof local !== 'boolean'))
      throw read.wrong(PATTERN, `a number, or true or false for each of ${layers} layers`);
    return given.map((local) => (local ? window : undefined));
  }
  const period = read.count(PATTERN, MAX_WINDOW, pattern);
  return Array.from({ length: layers }, (_, i) => (i % period < period - 1 ? window : undefined));
}
