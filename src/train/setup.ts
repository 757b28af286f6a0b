// What is trained, in memory: an adapter beside the weights, or the weights themselves.
import { localOf } from '../engine/lasting.ts';
import type { Model } from '../engine/model.ts';
import type { Tensor, Weight } from '../backend/tensor.ts';
import { OptionError, UnsupportedError } from '../errors.ts';
import { checkLearnable } from '../model/learning.ts';
import type { Network } from '../model/forward.ts';
import { namedTensors } from '../model/weights.ts';
import { createLora, loraBytes, loraMatrices, type LoraShape } from './lora.ts';
import { parameterBytes, Parameters, rowsOf } from './parameters.ts';

/** Where training happens: a model's layers on this thread's memory. Throws where they are not. */
export function networkOf({ executor, backend }: Model): Network {
  if (!backend.training)
    throw new UnsupportedError(
      `the ${backend.name} backend cannot train: load the model with device: 'wasm'`,
    );
  const local = localOf(executor);
  if (!local)
    throw new OptionError(
      `the model's layers are in workers, training needs them together: load it with pipeline: 1`,
    );
  checkLearnable(local.config, local.transformer.weights);
  return local.transformer;
}

/** What will be trained. Bytes are known before anything is reserved. */
export interface Setup {
  /** Bytes of what is trained beside the model's weights, of gradients and moments. */
  readonly bytes: number;
  /** Numbers that are trained. */
  readonly count: number;
  /** Highest rank of an adapter in the model. */
  readonly rank: number;
  /** Reserves it. Throws DeviceError where memory ends; nothing is left reserved then. */
  create(): { network: Network; parameters: Parameters; free(): void };
}

const countOf = (parameters: readonly { readonly at: Weight | Tensor }[]): number =>
  parameters.reduce((sum, { at }) => sum + rowsOf(at) * at.columns, 0);

/** Bytes of a new adapter in a network's layers, of its gradients and moments. */
export const adapterBytes = ({ backend, config, weights }: Network, shape: LoraShape): number =>
  loraBytes(backend, config, weights, shape) +
  parameterBytes(backend, loraMatrices(config, weights, shape));

/** Reserves them. Throws DeviceError where memory ends; nothing is left reserved then. */
export function reserveAdapter(
  network: Network,
  shape: LoraShape,
  seed: number,
): ReturnType<Setup['create']> {
  const { backend } = network;
  const lora = createLora(network, shape, seed);
  try {
    const parameters = new Parameters(backend, backend.training!, lora.parameters);
    return { network: lora.network, parameters, free: lora.free };
  } catch (error) {
    lora.free();
    throw error;
  }
}

export function loraSetup(network: Network, shape: LoraShape, seed: number): Setup {
  const { config, weights } = network;
  const matrices = loraMatrices(config, weights, shape);
  if (matrices.length === 0)
    throw new OptionError(
      `the model has none of the matrices ${shape.targets.join(', ')}: choose other targets`,
    );
  const narrow = matrices.find(({ at }) => Math.min(at.rows, at.columns) < shape.rank);
  const side = narrow && Math.min(narrow.at.rows, narrow.at.columns);
  if (narrow)
    throw new OptionError(
      `rank is ${shape.rank}, but ${narrow.name.replace(/\.weight.*/, '')} is ${side} wide: a ` +
        `rank above that adds nothing, use ${side} at most`,
    );
  const own = config.adapters?.flatMap(({ pairs }) => pairs.map(({ rank }) => rank)) ?? [];
  return {
    bytes: adapterBytes(network, shape),
    count: countOf(matrices),
    rank: Math.max(shape.rank, ...own),
    create: () => reserveAdapter(network, shape, seed),
  };
}

/** All weights. Throws OptionError where they are not f32. */
export function fullSetup(network: Network): Setup {
  const { backend, config, weights } = network;
  if ((config.adapters ?? []).length > 0)
    throw new OptionError(
      `the model was loaded with an adapter, all weights are trained without: merge it first, or ` +
        `load the model alone`,
    );
  const all = namedTensors(weights).map(({ name, at }) => ({ name, at, decays: 'type' in at }));
  const stored = all.find(({ at }) => 'type' in at && at.type.name !== 'f32');
  if (stored)
    throw new OptionError(
      `the weights are stored in few bits (${stored.name}), all of them are trained as f32: load ` +
        `the model with weights: 'f32'`,
    );
  return {
    bytes: parameterBytes(backend, all),
    count: countOf(all),
    rank: 0,
    create: () => ({
      network,
      parameters: new Parameters(backend, backend.training!, all),
      free: () => {},
    }),
  };
}
