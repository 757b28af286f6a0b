// Where a model's layers are put: the memory of this thread's backend, or those of workers.
import type { Backend } from '../backend/backend.ts';
import { chooseDevice, type Choice, createBackend } from '../backend/registry.ts';
import { compileKernels } from '../backend/wasm/builds.ts';
import { MAXIMUM_BYTES } from '../backend/wasm/core.ts';
import { attentionIn } from '../model/blocks/registry.ts';
import { DeviceError, OptionError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import type { TensorInfo } from '../model/gguf.ts';
import { type Part, readTensors } from '../model/load.ts';
import { fileBytes, type LayerRange } from '../model/tensors.ts';
import { createTransformer } from '../model/transformer.ts';
import { createWeights, type ModelWeights, weightBytes } from '../model/weights.ts';
import { widened, widenedBytes } from '../model/widen.ts';
import { type Executor, LocalExecutor } from './executor.ts';
import type { LoadOptions } from './load-options.ts';
import { prepare } from './prepare.ts';
import { NoWorkersError } from './pipeline/loading.ts';
import { PipelineExecutor } from './pipeline/pipeline.ts';
import { fitsOneMemory, splitLayers } from './pipeline/split.ts';

/** Layers in memory, and who runs them. */
export interface Placed {
  readonly executor: Executor;
  /** Bytes of weights and adapters. */
  readonly bytes: number;
  /** Why fewer workers run than were asked for. */
  readonly fallback?: string;
}

/** Most bytes of a wasm memory. (The option's check has read a text's bytes.) */
const wasmBytes = ({ memoryLimit }: LoadOptions): number =>
  Math.min(Number(memoryLimit ?? MAXIMUM_BYTES), MAXIMUM_BYTES);

/** What is to compute, and why. */
export function deviceFor(options: LoadOptions): Promise<Choice> {
  const { device = 'auto', build, threads, activations } = options;
  return chooseDevice(device, { build, threads, activations }, whyWasm(options));
}

/** What was asked for that WebAssembly alone does. */
function whyWasm({ build = 'auto', pipeline, weights }: LoadOptions): string | undefined {
  if (build !== 'auto') return 'a build of its kernels was asked for';
  if (Number(pipeline) > 1) return 'workers were asked for, which compute with wasm alone';
  if (weights === 'f32') return 'weights are widened to f32, to be trained, which wasm alone does';
  return undefined;
}

/**
 * Layers that are together: in workers, or all here. Throws OptionError for workers without wasm.
 */
function stagesOf(
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  device: Choice['device'],
  { weights, pipeline, threads, ...options }: LoadOptions,
): LayerRange[] {
  const apart = config.layerInputs
    ? 'each layer has inputs of its own, which are made where the tokens are'
    : config.streams
      ? 'its hidden states are several streams'
      : config.layerSpecs.some((layer) => attentionIn(layer)?.rowsOf !== undefined)
        ? "layers attend to other layers' rows"
        : undefined;
  if (apart && Number(pipeline) > 1)
    throw new OptionError(`pipeline is ${pipeline}, but ${apart}: use pipeline: 1, or threads`);
  if (apart) return [];
  if (weights === 'f32' && Number(pipeline) > 1)
    throw new OptionError(
      `pipeline is ${pipeline}, but weights are widened to f32 in one memory: use pipeline: 1, ` +
        `or weights: 'stored'`,
    );
  if (device === 'wasm' && weights !== 'f32')
    return splitLayers(tensors, config, { pipeline, threads, limitBytes: wasmBytes(options) });
  if (Number(pipeline) > 1)
    throw new OptionError(
      `pipeline is ${pipeline}, but workers compute with wasm alone: leave device out, or use ` +
        `pipeline: 1`,
    );
  return [];
}

/**
 * Loads the weights to where they will be used: a backend's memory, or those of workers. Nothing is
 * left where it fails.
 */
export async function placeLayers(
  parts: readonly Part[],
  config: ModelConfig,
  device: Choice['device'],
  options: LoadOptions,
): Promise<Placed> {
  const { build, threads, activations = 'auto', memoryLimit, onProgress, signal } = options;
  const tensors = parts.flatMap((part) => part.tensors);
  const limitBytes = wasmBytes(options);
  const layerRanges = stagesOf(tensors, config, device, options);
  const split = layerRanges.length > 1;
  const backend = await createBackend(device, {
    build,
    threads: split ? 1 : threads,
    activations,
    limitBytes,
    deviceBytes: memoryLimit === undefined ? undefined : Number(memoryLimit),
  });
  try {
    const held = options.weights === 'f32' ? tensors.map(widened) : tensors;
    const bytes = weightBytes(backend, held);
    let fallback: string | undefined;
    if (split) {
      const kernels = compileKernels(build);
      const pipeline = { parts, config, layerRanges, backend, kernels, activations };
      try {
        const executor = await PipelineExecutor.load({
          ...pipeline,
          limitBytes,
          onProgress,
          signal,
        });
        return { executor, bytes };
      } catch (error) {
        if (!(error instanceof NoWorkersError)) throw error;
        if (!fitsOneMemory(tensors, limitBytes))
          throw new DeviceError(
            `${error.message}, and the model does not fit into one memory: let workers start ` +
              `here, or choose a smaller model`,
          );
        fallback = `${error.message}: the layers run on one thread`;
        console.warn(`recollect: ${fallback}`);
      }
    }
    const all = { first: 0, end: config.layers };
    const weights = await loadWeights(parts, config, all, backend, options);
    const executor = new LocalExecutor(createTransformer(config, weights, backend));
    const loaded = fileBytes(tensors);
    await prepare(executor, (ready, of) => {
      onProgress?.({ loadedBytes: loaded, totalBytes: loaded, kernels: { ready, of } });
    });
    return { executor, bytes, fallback };
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

/** Loads tensors, which layers of a range need, into a backend's memory. */
export async function loadWeights(
  parts: readonly Part[],
  config: ModelConfig,
  range: LayerRange,
  backend: Backend,
  options: Pick<LoadOptions, 'weights' | 'onProgress' | 'signal'>,
): Promise<ModelWeights> {
  const widens = options.weights === 'f32';
  const tensors = parts.flatMap((part) => part.tensors);
  const held = widens ? tensors.map(widened) : tensors;
  const store = createWeights(backend, config, held, range);
  const put: typeof store.put = (tensor, row, rows, bytes) =>
    widens
      ? store.put(widened(tensor), row, rows, widenedBytes(tensor, rows, bytes))
      : store.put(tensor, row, rows, bytes);
  try {
    await readTensors(parts, put, { ...options, place: widens ? undefined : store.place });
    return store.finish();
  } catch (error) {
    store.free();
    throw error;
  }
}
