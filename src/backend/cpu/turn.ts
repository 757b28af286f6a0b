// Turns cached keys to other positions: a difference of angles, exact up to rounding
// (docs/algorithms.md, 'Compact positions').
import { layerShape } from '../cache-shape.ts';
import { rowBytes } from '../dtype.ts';
import type { Angles } from '../backend.ts';
import type { Turning } from '../cache.ts';
import type { CpuCache } from './cache.ts';
import type { Kept } from './memory.ts';

/**
 * Turns the rows of a layer that stay so that their positions become contiguous and end before
 * `base`, before they move.
 */
export function turnRows(
  cache: CpuCache,
  layer: number,
  kept: readonly Kept[],
  { base, end, anglesOf }: Turning,
): void {
  const { backend } = cache;
  const angles = anglesOf(layer);
  cache.heads[layer].forEach((head, h) => {
    const { count } = kept[h];
    const rows = backend.ints(kept[h].rows, count).slice();
    const tokens = backend.ints(head.tokens, head.length).slice();
    const positions = head.positions && backend.ints(head.positions, head.length).slice();
    const shifts = rows.map((row, i) => {
      const before = positions
        ? positions[row]
        : end === undefined
          ? tokens[row]
          : end - head.length + row;
      return base - count + i - before;
    });
    if (angles) turnHead(cache, layer, h, rows, shifts, angles);
    if (head.positions)
      for (let i = 0; i < count; i++)
        backend.ints(head.positions + rows[i] * 4, 1)[0] = base - count + i;
  });
}

/** Turns rows of head h of a layer, rows[j] by the angles of shifts[j]. */
export function turnHead(
  cache: CpuCache,
  layer: number,
  h: number,
  rows: ArrayLike<number>,
  shifts: ArrayLike<number>,
  angles: (shift: number) => Angles,
): void {
  const grouped = cache.groupsOf(layer, h);
  if (grouped) {
    const [groups, i] = grouped;
    groups.turn(i, rows, shifts, angles);
    return;
  }
  const { rowType } = cache.shape;
  const { headDim: d } = layerShape(cache.shape, layer);
  for (let j = 0; j < rows.length;) {
    let run = 1;
    while (
      j + run < rows.length &&
      rows[j + run] === rows[j] + run &&
      shifts[j + run] === shifts[j]
    )
      run++;
    if (shifts[j] !== 0)
      cache.backend.ropeShift(
        cache.heads[layer][h].keys + rows[j] * rowBytes(rowType, d),
        angles(shifts[j]),
        run,
        d,
        rowType,
      );
    j += run;
  }
}
