// A model as a user holds it: weights in memory, who runs its layers, its tokenizer and chat
// template.
import { abortSignal, callback, knownNames, namesOf, optional } from '../arguments.ts';
import { createWasmBackend, type WasmBackend } from '../backend/wasm/backend.ts';
import { type Build, compileKernels } from '../backend/wasm/builds.ts';
import { MAXIMUM_BYTES } from '../backend/wasm/core.ts';
import type { Backend } from '../backend/backend.ts';
import { DeviceError, OptionError } from '../errors.ts';
import { parseBytes } from '../math/format.ts';
import { type ChatTemplate, createChatTemplate } from '../model/chat-template.ts';
import { type ModelConfig, readConfig } from '../model/config.ts';
import { type Metadata, readGguf, type TensorInfo } from '../model/gguf.ts';
import type { LoadFetch, LoadHeaders, LoadRetry } from '../model/download/options.ts';
import { type LoadProgress, readTensors } from '../model/load.ts';
import { type ModelInput, type ModelSource, openSource } from '../model/source.ts';
import { checkTensors } from '../model/tensors.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import { createTransformer } from '../model/transformer.ts';
import { createWeights, type ModelWeights, weightBytes } from '../model/weights.ts';
import { type Executor, LocalExecutor } from './executor.ts';
import { NoWorkersError, PipelineExecutor } from './pipeline/pipeline.ts';
import { fitsOneMemory, splitLayers } from './pipeline/split.ts';

export interface LoadOptions {
  /** Called as weights arrive, about once a MiB. */
  onProgress?: (progress: LoadProgress) => void;
  /**
   * From a URL: milliseconds without an answer, or without a byte of it, after which it is asked
   * for again. Default 30,000; Infinity waits.
   */
  stallMs?: number;
  /**
   * From a URL: how often it is asked again without a byte between, when a connection breaks or
   * stalls or the server answers 429 or 5xx; each time from where it stopped. Default 5; 0: never.
   */
  retries?: number;
  /**
   * Milliseconds before the first of them, about; each waits twice as long, up to 60 s. Default
   * 500.
   */
  retryDelayMs?: number;
  /** Called before each of them. */
  onRetry?: (retry: LoadRetry) => void;
  /** From a URL: sent with every request, a token for instance. */
  headers?: LoadHeaders;
  /** From a URL: what fetches it. Default: the platform's. */
  fetch?: LoadFetch;
  /** Aborts the load; everything is freed and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Which build of the kernels: 'relaxed' needs relaxed SIMD (Node 22+). Default 'auto'. Bytes of a
   * module are for tests.
   */
  build?: Build | 'auto' | Uint8Array<ArrayBuffer>;
  /**
   * Threads that share the work, this one included. Default 'auto': by the cores there are, 1 where
   * memory cannot be shared (pages without cross-origin isolation). They start with the first work
   * that is worth sharing and stop when the last conversation is closed. The number changes no
   * result.
   */
  threads?: number | 'auto';
  /**
   * Workers that own consecutive layers each, in memories of their own; blocks flow through them.
   * 1: none, the layers are on this thread (or shared by
   * `threads`). Default 'auto': none where threads can share a memory; else some, by the cores
   * there are, for models that are worth it; in any case as
   * many as it takes where a model does not fit into one memory. They start while the model loads
   * and stop when it is disposed of. The number changes no result.
   */
  pipeline?: number | 'auto';
  /**
   * Most bytes of one wasm memory. Default: what 32 bits reach, 4 GiB. A model that needs more is
   * split over workers.
   */
  memoryLimit?: number | string;
  /** Another backend, with a memory of its own that the model then owns. Default: WebAssembly. */
  backend?: Backend;
}

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
  /** This thread's backend. */
  readonly backend: Backend;
  /** Bytes the weights take in memory; what two workers of a pipeline both need counts once. */
  readonly bytes: number;
  /**
   * Why fewer threads or workers run than were asked for, where that is so (a page's policy forbids
   * them, one has died).
   */
  readonly fallback: string | undefined;
  dispose(): void;
  [Symbol.dispose](): void;
}

const loadNames = namesOf<LoadOptions>({
  onProgress: true,
  stallMs: true,
  retries: true,
  retryDelayMs: true,
  onRetry: true,
  headers: true,
  fetch: true,
  signal: true,
  build: true,
  threads: true,
  pipeline: true,
  memoryLimit: true,
  backend: true,
});

/**
 * Loads a GGUF model from a path, URL, Blob or bytes.
 *
 *     using model = await loadModel('models/recollect-tiny.gguf');
 *
 * Throws ModelFormatError for a damaged file, UnsupportedError for an architecture, weight type or
 * tokenizer we don't run, OptionError for what is no model input or leads nowhere, NetworkError
 * where a server cannot be reached or does not deliver (docs/loading.md), DeviceError where memory
 * ends, the signal's reason when aborted.
 */
export async function loadModel(input: ModelInput, given: LoadOptions = {}): Promise<Model> {
  const options = knownNames('loadModel', given, loadNames);
  optional(abortSignal, 'signal', options.signal);
  optional(callback, 'onProgress', options.onProgress);
  options.signal?.throwIfAborted();
  const source = await openSource(input, options);
  try {
    const file = await readGguf(source, options.signal);
    const config = readConfig(file.metadata, source.name);
    const tokenizer = createTokenizer(file.metadata, source.name);
    const chatTemplate = createChatTemplate(file.metadata, tokenizer, source.name);
    const tensors = checkTensors(file.tensors, config, source.name);
    const { executor, bytes, fallback } = await placeLayers(source, tensors, config, options);
    let live = true;
    const dispose = () => {
      if (!live) return;
      live = false;
      executor.dispose();
    };
    return {
      source: source.name,
      config,
      metadata: file.metadata,
      tokenizer,
      chatTemplate,
      executor,
      backend: executor.backend,
      bytes,
      get fallback() {
        return fallback ?? (executor.backend as WasmBackend).team?.fallback;
      },
      dispose,
      [Symbol.dispose]: dispose,
    };
  } finally {
    await source.close();
  }
}

/**
 * Loads the weights to where they will be used: this thread's memory, or those of workers. Nothing
 * is left where it fails.
 */
async function placeLayers(
  source: ModelSource,
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  options: LoadOptions,
): Promise<{ executor: Executor; bytes: number; fallback?: string }> {
  const { build, threads, onProgress, signal } = options;
  const limitBytes = readLimit(options.memoryLimit);
  const stages = options.backend
    ? []
    : splitLayers(tensors, config, { pipeline: options.pipeline, threads, limitBytes });
  const split = stages.length > 1;
  const backend =
    options.backend ?? createWasmBackend({ build, threads: split ? 1 : threads, limitBytes });
  try {
    const bytes = weightBytes(backend, tensors);
    let fallback: string | undefined;
    if (split) {
      const parts = {
        source,
        tensors,
        config,
        stages,
        backend,
        kernels: compileKernels(build),
        limitBytes,
        onProgress,
        signal,
      };
      try {
        return { executor: await PipelineExecutor.load(parts), bytes };
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
    const weights = await loadWeights(source, tensors, config, backend, options);
    return {
      executor: new LocalExecutor(createTransformer(config, weights, backend)),
      bytes,
      fallback,
    };
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

async function loadWeights(
  source: ModelSource,
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  backend: Backend,
  options: LoadOptions,
): Promise<ModelWeights> {
  const store = createWeights(backend, tensors, { first: 0, end: config.layers });
  try {
    await readTensors(source, tensors, store.put, options);
    return store.finish();
  } catch (error) {
    store.free();
    throw error;
  }
}

function readLimit(limit: number | string = MAXIMUM_BYTES): number {
  const bytes = typeof limit === 'number' ? limit : parseBytes(limit);
  if (bytes === undefined || !(bytes > 0))
    throw new OptionError(`memoryLimit is '${limit}', expected bytes such as '2GB'`);
  return Math.min(bytes, MAXIMUM_BYTES);
}
