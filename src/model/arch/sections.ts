// Positions in several dimensions (time, height, width), of which a text knows one.
import type { MetadataReader } from '../metadata.ts';
import type { Shape } from './architecture.ts';

export const sectionKey = 'rope.dimension_sections';

/**
 * Pairs that no dimension of a text turns. Pair i turns by time, height or width as i % 3 says, as
 * far as that one's section goes; in text these are all the token's number. Any other pair takes
 * the fourth dimension, which is 0 there. Undefined where all turn.
 */
export function stillPairs(
  { ropeDims }: Pick<Shape, 'ropeDims'>,
  read: MetadataReader,
): number[] | undefined {
  const sections = read.each(sectionKey, 4, ropeDims);
  const still = Array.from({ length: ropeDims / 2 }, (_, i) => i).filter(
    (i) => i >= 3 * sections[i % 3],
  );
  return still.length > 0 ? still : undefined;
}
