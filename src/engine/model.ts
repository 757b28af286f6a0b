// A model as a user holds it: weights in memory, who runs its layers, its tokenizer and chat template.
import { createWasmBackend } from '../backend/wasm/backend.ts';
import type { Build } from '../backend/wasm/builds.ts';
import type { Backend } from '../backend/backend.ts';
import { type ChatTemplate, createChatTemplate } from '../model/chat-template.ts';
import { type ModelConfig, readConfig } from '../model/config.ts';
import { type GgufFile, type Metadata, readGguf } from '../model/gguf.ts';
import { type LoadProgress, readTensors } from '../model/load.ts';
import { type ModelInput, type ModelSource, openSource } from '../model/source.ts';
import { checkTensors, tensorsOf } from '../model/tensors.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import { createTransformer } from '../model/transformer.ts';
import { createWeights, type ModelWeights } from '../model/weights.ts';
import { type Executor, LocalExecutor } from './executor.ts';

export interface LoadOptions {
  /** Called as weights arrive, about once a MiB. */
  onProgress?: (progress: LoadProgress) => void;
  /** Aborts the load; everything is freed and the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Which build of the kernels: 'relaxed' needs relaxed SIMD (Node 22+). Default 'auto'. Bytes of a module are for tests. */
  build?: Build | 'auto' | Uint8Array<ArrayBuffer>;
  /**
   * Threads that share the work, this one included. Default 'auto': by the cores there are, 1 where memory cannot be shared (pages without cross-origin
   * isolation). They start with the first work that is worth sharing and stop when the last conversation is closed. The number changes no result.
   */
  threads?: number | 'auto';
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
  /** Bytes the weights take in memory. */
  readonly bytes: number;
  dispose(): void;
  [Symbol.dispose](): void;
}

/**
 * Loads a GGUF model from a path, URL, Blob or bytes.
 *
 *     using model = await loadModel('models/recollect-tiny.gguf');
 *
 * Throws ModelFormatError for a damaged file, UnsupportedError for an architecture, weight type or tokenizer we don't run,
 * OptionError for what is no model input, DeviceError where memory ends, the signal's reason when aborted.
 */
export async function loadModel(input: ModelInput, options: LoadOptions = {}): Promise<Model> {
  options.signal?.throwIfAborted();
  const source = await openSource(input, options.signal);
  let backend: Backend | undefined;
  try {
    const file = await readGguf(source, options.signal);
    const config = readConfig(file.metadata, source.name);
    const tokenizer = createTokenizer(file.metadata, source.name);
    const chatTemplate = createChatTemplate(file.metadata, tokenizer, source.name);
    backend = options.backend ?? createWasmBackend({ build: options.build, threads: options.threads });
    checkTensors(file.tensors, config, source.name);
    const weights = await loadWeights(source, file, config, backend, options);
    const executor = new LocalExecutor(createTransformer(config, weights, backend));
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
      backend,
      bytes: weights.bytes,
      dispose,
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    backend?.dispose();
    throw error;
  } finally {
    await source.close();
  }
}

/** Loads all weights. Whatever was allocated is freed where it fails. */
async function loadWeights(source: ModelSource, file: GgufFile, config: ModelConfig, backend: Backend, options: LoadOptions): Promise<ModelWeights> {
  const range = { first: 0, end: config.layers };
  const tensors = tensorsOf(file.tensors, config, range);
  const store = createWeights(backend, tensors, range);
  try {
    await readTensors(source, tensors, store.put, options);
    return store.finish();
  } catch (error) {
    store.free();
    throw error;
  }
}
