// A model as a user holds it: weights in memory, who runs its layers, its tokenizer and chat
// template.
import { describeValue } from '../arguments.ts';
import { chooseBackend } from '../backend/registry.ts';
import { compileKernels } from '../backend/wasm/builds.ts';
import { MAXIMUM_BYTES } from '../backend/wasm/core.ts';
import type { Backend } from '../backend/backend.ts';
import { DeviceError, OptionError } from '../errors.ts';
import { closeAdapters, type OpenAdapter, openAdapters, partOf } from '../model/adapter/open.ts';
import { readAdapterOptions } from '../model/adapter/option.ts';
import { type ChatTemplate, createChatTemplate } from '../model/chat-template.ts';
import { type ModelConfig, readConfig } from '../model/config.ts';
import { type Metadata, readGguf, type TensorInfo } from '../model/gguf.ts';
import { type Part, readTensors } from '../model/load.ts';
import {
  type CacheReport,
  type ModelInput,
  type ModelSource,
  openSource,
} from '../model/source.ts';
import { checkTensors, type LayerRange } from '../model/tensors.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import { createTransformer } from '../model/transformer.ts';
import { widened, widenedBytes } from '../model/widen.ts';
import { createWeights, type ModelWeights, weightBytes } from '../model/weights.ts';
import { settle } from '../options/table.ts';
import { type Executor, LocalExecutor } from './executor.ts';
import { type LoadOptions, loadTable } from './load-options.ts';
import { NoWorkersError } from './pipeline/loading.ts';
import { PipelineExecutor } from './pipeline/pipeline.ts';
import { fitsOneMemory, splitLayers } from './pipeline/split.ts';

export type { LoadOptions };

/** A loaded model. Dispose of it when no conversation uses it any more. */
export interface Model {
  /** The path, URL or kind of input it came from. */
  readonly source: string;
  readonly config: ModelConfig;
  readonly metadata: Metadata;
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
  /** Who runs the layers. */
  readonly executor: Executor;
  /** This thread's backend, and why it is this one. */
  readonly backend: Backend;
  readonly backendReason: string;
  /**
   * Bytes that weights and adapters take in memory; what two workers of a pipeline both need counts
   * once.
   */
  readonly bytes: number;
  /**
   * Why fewer threads or workers run than were asked for, where that is so (a page's policy forbids
   * them, one has died).
   */
  readonly fallback: string | undefined;
  /** What came of `cache: true`, where the model came from a URL. */
  readonly cache?: CacheReport;
  dispose(): void;
  [Symbol.dispose](): void;
}

/**
 * Loads a GGUF model from a path, URL, Blob or bytes.
 *
 *     using model = await loadModel('models/recollect-tiny.gguf');
 *
 * Throws ModelFormatError for a damaged file, UnsupportedError for an architecture, weight type or
 * tokenizer we don't run, OptionError for what is no model input or leads nowhere, NetworkError
 * where a server cannot be reached or does not deliver (docs/loading.md), DeviceError where memory
 * ends, the signal's reason when aborted. Adapters are held against the model before anything is
 * reserved (docs/adapters.md).
 */
export async function loadModel(input: ModelInput, given: LoadOptions = {}): Promise<Model> {
  const options = settle('loadModel', given, loadTable);
  options.signal?.throwIfAborted();
  const source = await openSource(input, options);
  let adapters: OpenAdapter[] = [];
  try {
    const read = await readModelFile(source, options.signal);
    const { metadata, config: plain, tokenizer, chatTemplate, tensors } = read;
    const choices = readAdapterOptions('adapters', options.adapters ?? []);
    adapters = await openAdapters(choices, { input, config: plain, tensors }, options);
    const config = withAdapters(plain, adapters);
    const { executor, bytes, reason, fallback } = await placeLayers(
      [{ source, tensors }, ...adapters.map(partOf)],
      config,
      options,
    );
    let live = true;
    const dispose = () => {
      if (!live) return;
      live = false;
      executor.dispose();
    };
    return {
      source: source.name,
      config,
      metadata,
      tokenizer,
      chatTemplate,
      executor,
      backend: executor.backend,
      bytes,
      backendReason: reason,
      get fallback() {
        return fallback ?? executor.backend.fallback;
      },
      get cache() {
        return source.cache;
      },
      dispose,
      [Symbol.dispose]: dispose,
    };
  } finally {
    await closeAdapters(adapters);
    await source.close();
  }
}

/** What a model's file says of itself, held against its metadata, and its tensors. */
export interface ModelFile extends Pick<
  Model,
  'config' | 'metadata' | 'tokenizer' | 'chatTemplate'
> {
  readonly tensors: readonly TensorInfo[];
}

/** Reads all but the weights. Throws as loadModel() does. */
export async function readModelFile(source: ModelSource, signal?: AbortSignal): Promise<ModelFile> {
  const { metadata, tensors } = await readGguf(source, signal);
  const config = readConfig(metadata, source.name);
  const tokenizer = createTokenizer(metadata, source.name);
  const chatTemplate = createChatTemplate(metadata, tokenizer, source.name);
  const checked = checkTensors(tensors, config, source.name);
  return { metadata, config, tokenizer, chatTemplate, tensors: checked };
}

/** A model with adapters is another model: what is kept of one is not taken for the other's. */
const withAdapters = (config: ModelConfig, adapters: readonly OpenAdapter[]): ModelConfig =>
  adapters.length === 0 ? config : { ...config, adapters: adapters.map(({ spec }) => spec) };

/**
 * Layers that are together: in workers, or all here. Throws OptionError for workers without wasm.
 */
function stagesOf(
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  { backend = 'auto', weights, pipeline, threads }: LoadOptions,
  limitBytes: number,
): LayerRange[] {
  if (weights === 'f32') {
    if (Number(pipeline) > 1)
      throw new OptionError(
        `pipeline is ${pipeline}, but weights are widened to f32 in one memory: use pipeline: 1, ` +
          `or weights: 'stored'`,
      );
    return [];
  }
  if (backend === 'auto' || backend === 'wasm')
    return splitLayers(tensors, config, { pipeline, threads, limitBytes });
  if (Number(pipeline) > 1)
    throw new OptionError(
      `pipeline is ${pipeline}, but workers compute with wasm alone: leave backend out, or use ` +
        `pipeline: 1`,
    );
  return [];
}

/**
 * Loads the weights to where they will be used: this thread's memory, or those of workers. Nothing
 * is left where it fails.
 */
async function placeLayers(
  parts: readonly Part[],
  config: ModelConfig,
  options: LoadOptions,
): Promise<{ executor: Executor; bytes: number; reason: string; fallback?: string }> {
  const { build, threads, onProgress, signal } = options;
  const tensors = parts.flatMap((part) => part.tensors);
  // its check has read a text's bytes
  const limitBytes = Math.min(Number(options.memoryLimit ?? MAXIMUM_BYTES), MAXIMUM_BYTES);
  const layerRanges = stagesOf(tensors, config, options, limitBytes);
  const split = layerRanges.length > 1;
  const { backend, reason } = chooseBackend(options.backend ?? 'auto', {
    build,
    threads: split ? 1 : threads,
    limitBytes,
  });
  try {
    const held = options.weights === 'f32' ? tensors.map(widened) : tensors;
    const bytes = weightBytes(backend, held);
    let fallback: string | undefined;
    if (split) {
      const pipeline = {
        parts,
        config,
        layerRanges,
        backend,
        kernels: compileKernels(build),
        limitBytes,
        onProgress,
        signal,
      };
      try {
        return { executor: await PipelineExecutor.load(pipeline), bytes, reason };
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
    return {
      executor: new LocalExecutor(createTransformer(config, weights, backend)),
      bytes,
      reason,
      fallback,
    };
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
    await readTensors(parts, put, options);
    return store.finish();
  } catch (error) {
    store.free();
    throw error;
  }
}

/**
 * What loadModel() resolves to. Throws OptionError for anything else: above all for its promise.
 */
export function readModel(model: Model): Model {
  const { executor, tokenizer } = (model ?? {}) as Partial<Model>;
  if (typeof executor === 'object' && typeof tokenizer === 'object') return model;
  const found: unknown = model;
  throw new OptionError(
    found instanceof Promise
      ? 'the model is a promise, expected what it resolves to: await loadModel()'
      : `the model is ${describeValue(found)}, expected what loadModel() resolves to`,
  );
}
