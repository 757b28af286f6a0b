// How much of a text the cache still has.
import type { TokenSpan } from '../backend/cache.ts';
import { layerShapes } from '../backend/cache-shape.ts';
import { sum } from '../math/sum.ts';
import type { Run } from './run.ts';

/**
 * Share of the rows of tokens [begin, end) that are held, over all heads of the layers that see the
 * whole text, for each span of tokens.
 */
export async function heldShares(
  { plan, layers }: Run,
  spans: readonly TokenSpan[],
): Promise<number[]> {
  const whole = layerShapes(plan.shape).filter((_, layer) => !plan.slides[layer]);
  const heads = Math.max(1, sum(whole.map(({ kvHeads }) => kvHeads)));
  const rows = await layers.held(spans);
  return rows.map((count, i) => count / (Math.max(1, spans[i][1] - spans[i][0]) * heads));
}
