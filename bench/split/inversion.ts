// Guesses at the tokens of a text from the activations at a cut, as a server could make them: the
// attacks of the privacy bench. They see x, positions and public weights, never a token.
import { ConversationLayers } from '../../src/split/generate-layers.ts';
import type { HalfModel } from '../../src/split/load.ts';
import { applyLinear, distancesTo, fitLinear, leastOf } from './linear-map.ts';
import type { Heard } from './listening.ts';

/** What came: activations after the wire, and how far each channel may be off by rounding. */
export interface Received {
  readonly x: Float32Array;
  /** Half a step of each channel's grid. */
  readonly halfSteps: Float64Array;
  /** Whether grids are so fine that a token which explains what came is the only one. */
  readonly isFine: boolean;
  readonly sequences: Heard['sequences'];
}

/** Guessed tokens, one a row of x. */
export type Attack = (received: Received) => number[] | Promise<number[]>;

/** What the client's layers make of nothing before: the embedding of each token, [V, D]. */
export async function embeddingsOf({ network, config }: HalfModel): Promise<Float32Array> {
  const all = Array.from({ length: config.vocabulary }, (_, token) => token);
  const scale = config.embeddingScale ?? 1;
  return (await network.embed(all)).map((x) => x * scale);
}

const rowsOf = (x: Float32Array, D: number): Float32Array[] =>
  Array.from({ length: x.length / D }, (_, t) => x.subarray(t * D, (t + 1) * D));

/** The token whose embedding is nearest: takes the layers before the cut for no more than noise. */
export const nearestRow =
  (table: Float32Array, D: number): Attack =>
  ({ x }) =>
    rowsOf(x, D).map((row) => leastOf(distancesTo(table, row)));

/** A map to embeddings, fitted on what came of texts that the server knows. */
export function linearMap(table: Float32Array, D: number, known: readonly Heard[]) {
  const tokens = known.flatMap((batch) => [...batch.tokens]);
  const [x, y] = [new Float32Array(tokens.length * D), new Float32Array(tokens.length * D)];
  let at = 0;
  for (const batch of known) {
    x.set(batch.x, at);
    at += batch.x.length;
  }
  for (const [t, token] of tokens.entries())
    y.set(table.subarray(token * D, (token + 1) * D), t * D);
  const w = fitLinear({ x, y, D, E: D });
  const embed = (rows: Float32Array) => applyLinear(w, rows, D);
  const attack: Attack = ({ x: rows }) => nearestRow(table, D)({ ...none, x: embed(rows) });
  return { embed, attack };
}
const none = { halfSteps: new Float64Array(), isFine: false, sequences: [] };

/**
 * Mean square, in half steps of fine grids, below which what is off is rounding and no other token:
 * rounding alone gives 1/3, and less than this in all but one of some thousand rows of 128 channels.
 */
const ROUNDING = 0.42;

/**
 * A server that has the client's layers: token by token, tries candidates behind the tokens guessed
 * before, the likeliest by the linear map first, and takes the one that comes nearest, channels
 * weighed by their steps.
 */
export function ownLayers(
  client: HalfModel,
  table: Float32Array,
  embed: (rows: Float32Array) => Float32Array,
  tries: number,
): Attack {
  const D = client.config.width;
  const orderOf = (row: Float32Array) => {
    const distances = distancesTo(table, row);
    return Array.from(distances.keys()).sort((a, b) => distances[a] - distances[b] || a - b);
  };
  return async ({ x, halfSteps, isFine, sequences }) => {
    const rows = rowsOf(x, D);
    const guesses: number[] = [];
    for (const { from, count } of sequences) {
      const shape = { context: count + 1, block: 1, rowType: 'f32' } as const;
      const layers = new ConversationLayers(client, shape);
      for (let t = from; t < from + count; t++) {
        const candidates = orderOf(embed(rows[t])).slice(0, tries);
        guesses.push(await bestOf(layers, candidates, { row: rows[t], halfSteps, isFine }));
      }
      layers.dispose();
    }
    return guesses;
  };
}

/** Leaves the layers behind the candidate that fits best. */
async function bestOf(
  layers: ConversationLayers,
  candidates: readonly number[],
  { row, halfSteps, isFine }: Omit<Received, 'x' | 'sequences'> & { readonly row: Float32Array },
): Promise<number> {
  const before = layers.count;
  let [best, least] = [candidates[0], Number.POSITIVE_INFINITY];
  for (const token of candidates) {
    const made = (await layers.append([token]))!;
    let sum = 0;
    for (const [c, halfStep] of halfSteps.entries()) sum += ((made[c] - row[c]) / halfStep) ** 2;
    if (isFine && sum <= ROUNDING * halfSteps.length) return token;
    if (sum < least) [best, least] = [token, sum];
    await layers.rewind(before);
  }
  await layers.append([best]);
  return best;
}
