// Tokens drawn in the place of a device that drew them.
import type { Drawing } from '../backend/backend.ts';
import type { Place } from '../backend/cache.ts';
import type { Layers } from './executor.ts';
import { createDraw } from './sampling/sampler.ts';

/** Draws from log-odds that are read, as a device does from its own. */
export async function drawHere(
  layers: Layers,
  t: number,
  by: Drawing,
  randoms: readonly number[],
  { position, token }: Place,
  appendsLast: boolean,
): Promise<readonly number[]> {
  const draw = createDraw(by);
  const drawn: number[] = [];
  for (const [i, random] of randoms.entries()) {
    drawn.push(await layers.logits(i === 0 ? t : 0, (logits) => draw(logits, random)));
    if (i < randoms.length - 1 || appendsLast)
      await layers.append(drawn.slice(-1), { position: position + i, token: token + i });
  }
  return drawn;
}
