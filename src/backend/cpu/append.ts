// How rows get into a cache: queries and keys of new tokens are made ready, head by head, and rows
// come behind those that a head has.
import type { Backend } from '../backend.ts';
import type { HeadSteps, Place } from '../cache.ts';
import { type EvenShape, layerShape } from '../cache-shape.ts';
import { rowBytes } from '../dtype.ts';
import type { QueriesKeysValues, Tensor } from '../tensor.ts';
import type { CpuCache } from './cache.ts';

/** Norms, turns and scales queries, keys and values of T tokens, in place. */
export function takeSteps(
  backend: Backend,
  { kvHeads, headDim: d }: Pick<EvenShape, 'kvHeads' | 'headDim'>,
  { q, k, v }: QueriesKeysValues,
  T: number,
  steps: HeadSteps,
): void {
  const { queryHeads, qNorm, kNorm, vNorm, normEps, angles, queryWeight, queryScale } = steps;
  const { queryAngles = angles } = steps;
  if (qNorm) backend.rmsNorm(q, q, qNorm, T * queryHeads, normEps);
  if (kNorm) backend.rmsNorm(k, k, kNorm, T * kvHeads, normEps);
  if (vNorm) backend.rmsNorm(v, v, { columns: d }, T * kvHeads, normEps);
  if (queryAngles) backend.rope(q, queryAngles, T, queryHeads, d);
  if (angles) backend.rope(k, angles, T, kvHeads, d);
  if (queryWeight) backend.multiplyColumns(q, queryWeight, T * queryHeads);
  if (queryScale !== undefined) backend.scale(q, queryScale, T);
}

/** Stores k and v of T tokens behind the rows of each head. Throws RangeError past the room. */
export function appendRows(
  cache: CpuCache,
  layer: number,
  k: Tensor,
  v: Tensor,
  T: number,
  { token, position }: Place,
): void {
  const { backend } = cache;
  const { rowType } = cache.shape;
  const { headDim: d } = layerShape(cache.shape, layer);
  for (const [h, head] of cache.heads[layer].entries()) {
    const room = cache.roomOf(layer, h);
    if (room < T)
      throw new RangeError(`layer ${layer}, head ${h}: ${T} rows appended where ${room} fit`);
    const grouped = cache.groupsOf(layer, h);
    if (grouped) {
      const [groups, place] = grouped;
      groups.append(place, k, v, h, T);
    } else {
      const at = head.length * rowBytes(rowType, d);
      backend.storeRows(head.keys + at, k, h, T, d, rowType);
      backend.storeRows(head.values + at, v, h, T, d, rowType);
    }
    const tokens = backend.ints(head.tokens + head.length * 4, T);
    for (let i = 0; i < T; i++) tokens[i] = token + i;
    if (head.positions)
      backend
        .ints(head.positions + head.length * 4, T)
        .set(tokens.map((t) => t - token + position));
    backend.floats(head.state + head.length * 4, T).fill(0);
    head.length += T;
  }
}
