// A model as a user holds it: weights in a backend's memory, its tokenizer and chat template.
import { createWasmBackend } from '../backend/wasm/backend.ts';
import type { Build } from '../backend/wasm/builds.ts';
import type { Backend } from '../backend/backend.ts';
import { type ChatTemplate, createChatTemplate } from './chat-template.ts';
import { type ModelConfig, readConfig } from './config.ts';
import { type Metadata, readGguf } from './gguf.ts';
import { type LoadProgress, loadWeights } from './load.ts';
import { type ModelInput, openSource } from './source.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { createTransformer, type Transformer } from './transformer.ts';

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
  readonly transformer: Transformer;
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
    const weights = await loadWeights(source, file, config, backend, options);
    const owned = backend;
    let live = true;
    const dispose = () => {
      if (!live) return;
      live = false;
      weights.free();
      owned.dispose();
    };
    return {
      source: source.name,
      config,
      metadata: file.metadata,
      tokenizer,
      chatTemplate,
      transformer: createTransformer(config, weights, backend),
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
