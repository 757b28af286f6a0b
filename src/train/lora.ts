// A new adapter: its matrices in memory, and the model with it beside its weights.
import type { Backend } from '../backend/backend.ts';
import { Regions } from '../backend/regions.ts';
import type { Weight } from '../backend/tensor.ts';
import { createRandom, hashText } from '../math/rng.ts';
import { placeOf, type Target } from '../model/adapter/spec.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Network } from '../model/forward.ts';
import { tensorsOfLayer } from '../model/layer.ts';
import type { AdapterPair } from '../model/linear.ts';
import { layerPrefix, type LayerRange } from '../model/tensors.ts';
import { floatWeight, type Parameter, writeNumbers } from './parameters.ts';

export interface LoraShape {
  readonly rank: number;
  /** y += alpha / rank (x A^T) B^T. */
  readonly alpha: number;
  readonly targets: readonly Target[];
}

/** A matrix [m, k] that gets a pair, by GGUF's name. */
interface Adapted {
  readonly matrix: string;
  readonly m: number;
  readonly k: number;
}

/** A model with a new adapter, which adds nothing yet: B is zero. */
export interface Lora {
  readonly network: Network;
  readonly pairs: ReadonlyMap<string, AdapterPair>;
  /** A and B of each pair, as 'blk.0.attn_q.weight.lora_a'. */
  readonly parameters: readonly Parameter[];
  free(): void;
}

/** The matrices of layers that are among the targets. */
function adaptedIn(
  { layerSpecs, width }: ModelConfig,
  { first, end }: LayerRange,
  targets: readonly Target[],
): Adapted[] {
  return layerSpecs.slice(first, end).flatMap((layer, i) =>
    tensorsOfLayer(layer, width).flatMap((tensor) => {
      const matrix = `${layerPrefix(first + i)}${tensor.name}.weight`;
      const place = placeOf(matrix);
      return tensor.kind === 'matrix' && place && targets.includes(place.target)
        ? [{ matrix, m: tensor.rows, k: tensor.columns }]
        : [];
    }),
  );
}

/** A and B of each, by name, at an address that is not known yet. */
const matricesOf = (adapted: readonly Adapted[], rank: number) =>
  adapted.flatMap(({ matrix, m, k }) => [
    { name: `${matrix}.lora_a`, at: floatWeight(0, rank, k) },
    { name: `${matrix}.lora_b`, at: floatWeight(0, m, rank) },
  ]);

/** A and B of an adapter, without a place: for who counts their bytes. */
export const loraMatrices = (config: ModelConfig, range: LayerRange, shape: LoraShape) =>
  matricesOf(adaptedIn(config, range, shape.targets), shape.rank);

function regionsOf(backend: Backend, matrices: readonly { name: string; at: Weight }[]): Regions {
  const regions = new Regions();
  for (const { name, at } of matrices)
    regions.add(name, backend.weightBytes(at.type, at.rows, at.columns) / 4, 1);
  return regions;
}

/** Bytes of an adapter in memory. */
export const loraBytes = (
  backend: Backend,
  config: ModelConfig,
  range: LayerRange,
  shape: LoraShape,
): number => regionsOf(backend, loraMatrices(config, range, shape)).bytes;

/**
 * Reserves an adapter: A drawn evenly from +-1 / sqrt(k) by the seed, B zero, so that the model
 * begins as it is. Throws DeviceError where memory ends.
 */
export function createLora(network: Network, shape: LoraShape, seed: number): Lora {
  const { backend, config, weights } = network;
  const adapted = adaptedIn(config, weights, shape.targets);
  const matrices = matricesOf(adapted, shape.rank);
  const regions = regionsOf(backend, matrices);
  const start = backend.arena.allocate(regions.bytes);
  const tensor = regions.layOut(start);
  const parameters = matrices.map(({ name, at }): Parameter => {
    const placed = floatWeight(tensor(name).address, at.rows, at.columns);
    return { name, at: placed, decays: true };
  });
  const placed = (name: string) => parameters.find((p) => p.name === name)!.at as Weight;
  const scale = shape.alpha / shape.rank;
  const pairs = new Map(
    adapted.map(({ matrix }): [string, AdapterPair] => [
      matrix,
      { a: placed(`${matrix}.lora_a`), b: placed(`${matrix}.lora_b`), scale },
    ]),
  );
  for (const [matrix, { a, b }] of pairs) {
    const random = createRandom(hashText(matrix, seed));
    const bound = 1 / Math.sqrt(a.columns);
    const numbers = Float32Array.from(
      { length: a.rows * a.columns },
      () => (2 * random() - 1) * bound,
    );
    writeNumbers(backend, a, numbers);
    writeNumbers(backend, b, new Float32Array(b.rows * b.columns));
  }
  return {
    network: {
      ...network,
      weights: weights.withAdapters((name, part) => {
        // (models whose rows are kept apart are not trained)
        const pair = part ? undefined : pairs.get(name);
        return pair && [pair];
      }),
    },
    pairs,
    parameters,
    free: () => backend.arena.free(start),
  };
}
