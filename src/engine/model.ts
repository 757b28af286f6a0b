// A model as a user holds it: weights in memory, who runs its layers, its tokenizer and chat
// template.
import { describeValue } from '../arguments.ts';
import type { Choice } from '../backend/registry.ts';
import type { Backend } from '../backend/backend.ts';
import { DeviceError, OptionError } from '../errors.ts';
import { closeAdapters, type OpenAdapter, openAdapters, partOf } from '../model/adapter/open.ts';
import { readAdapterOptions } from '../model/adapter/option.ts';
import { type ChatTemplate, createChatTemplate } from '../model/chat-template.ts';
import { type ModelConfig, readConfig } from '../model/config.ts';
import { type Metadata, readGguf, type TensorInfo } from '../model/gguf.ts';
import { openModel } from '../model/parts.ts';
import type { CacheReport, ModelFiles, ModelSource } from '../model/source.ts';
import { checkTensors } from '../model/tensors.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import { hashText } from '../math/rng.ts';
import { settle } from '../options/table.ts';
import type { Executor } from './executor.ts';
import { LastingExecutor } from './lasting.ts';
import { type LoadOptions, loadTable } from './load-options.ts';
import { pause } from './prefill.ts';
import { deviceFor, type Placed, placeLayers } from './place.ts';

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
 * Loads a GGUF model from a path, URL, Blob or bytes; one in several files from the path or URL of
 * its first part, or from a list of all.
 *
 *     using model = await loadModel('models/recollect-tiny.gguf');
 *
 * Throws ModelFormatError for a damaged file, UnsupportedError for an architecture, weight type or
 * tokenizer we don't run, OptionError for what is no model input or leads nowhere, NetworkError
 * where a server cannot be reached or does not deliver (docs/loading.md), DeviceError where memory
 * ends, the signal's reason when aborted. Adapters are held against the model before anything is
 * reserved (docs/adapters.md).
 */
export async function loadModel(input: ModelFiles, given: LoadOptions = {}): Promise<Model> {
  const options = settle('loadModel', given, loadTable);
  options.signal?.throwIfAborted();
  const loaded = await loadFastest(input, options);
  const { source, reason, placed, file } = loaded;
  const { bytes, fallback } = placed;
  const lasting = placed.executor.backend.canBeLost
    ? new LastingExecutor(placed.executor, (signal) => loadAgain(input, options, loaded, signal))
    : undefined;
  const executor = lasting ?? placed.executor;
  let live = true;
  const dispose = () => {
    if (!live) return;
    live = false;
    executor.dispose();
  };
  return {
    ...file,
    source: source.name,
    executor,
    get backend() {
      return executor.backend;
    },
    bytes,
    get backendReason() {
      return lasting?.lost ?? reason;
    },
    get fallback() {
      return lasting?.lost ?? fallback ?? executor.backend.fallback;
    },
    get cache() {
      return source.cache;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** A model's file, where its layers are, and why there. */
interface Loaded {
  readonly source: ModelSource;
  readonly file: Omit<ModelFile, 'tensors'>;
  readonly placed: Placed;
  readonly reason: string;
  /** What the file's weights are known by. */
  readonly fingerprint: number;
}

/** Loads a model to the device that was asked for, or the best that has room for it. */
async function loadFastest(input: ModelFiles, options: LoadOptions): Promise<Loaded> {
  let chosen: Choice | undefined;
  try {
    return await load(input, options, async () => (chosen = await deviceFor(options)));
  } catch (error) {
    const isOurs = (options.device ?? 'auto') === 'auto' && chosen?.device === 'webgpu';
    if (!isOurs || !(error instanceof DeviceError)) throw error;
    const reason = `WebGPU is left: ${error.message}`;
    return load(input, options, async () => ({ device: 'wasm', reason }));
  }
}

async function load(
  input: ModelFiles,
  options: LoadOptions,
  choose: () => Promise<Choice>,
): Promise<Loaded> {
  const source = await openModel(input, options);
  let adapters: OpenAdapter[] = [];
  try {
    const { tensors, ...file } = await readModelFile(source, options);
    const choices = readAdapterOptions('adapters', options.adapters ?? []);
    adapters = await openAdapters(choices, { input, config: file.config, tensors }, options);
    const config = withAdapters(file.config, adapters);
    let fingerprint = 0;
    const parts = [{ source, tensors }, ...adapters.map(partOf)].map((part) => ({
      ...part,
      source: watched(part.source, (piece) => (fingerprint = hashText(piece.join(), fingerprint))),
    }));
    const { device, reason } = await choose();
    const placed = await placeLayers(parts, config, device, options);
    return { source, file: { ...file, config }, placed, reason, fingerprint };
  } finally {
    await closeAdapters(adapters);
    await source.close();
  }
}

/** Bytes of each piece that is read that a file is known by. */
const KNOWN_BYTES = 64;

/** A source that tells how each piece begins that is read of it. */
const watched = (source: ModelSource, hear: (piece: Uint8Array) => void): ModelSource => ({
  name: source.name,
  get sizeBytes() {
    return source.sizeBytes;
  },
  forget: (offset) => source.forget(offset),
  close: () => source.close(),
  readsInto: source.readsInto,
  async read(offset, length, into) {
    const piece = await source.read(offset, length, into);
    hear(piece.subarray(0, KNOWN_BYTES));
    return piece;
  },
});

/**
 * The same model for WebAssembly, from where it came. Throws as loadModel() does, and OptionError
 * where something else lies there by now.
 */
async function loadAgain(
  input: ModelFiles,
  options: LoadOptions,
  { source, file, fingerprint }: Loaded,
  signal: AbortSignal,
): Promise<Executor> {
  const { memoryLimit: _, onProgress: __, ...rest } = options;
  const choice: Choice = { device: 'wasm', reason: '' };
  const again = await load(input, { ...rest, device: 'wasm', signal }, async () => choice);
  const isSame =
    again.fingerprint === fingerprint &&
    JSON.stringify(again.file.config) === JSON.stringify(file.config);
  if (isSame) return again.placed.executor;
  again.placed.executor.dispose();
  throw new OptionError(`${source.name}: the file is another one than before: load the model anew`);
}

/** What a model's file says of itself, held against its metadata, and its tensors. */
export interface ModelFile extends Pick<
  Model,
  'config' | 'metadata' | 'tokenizer' | 'chatTemplate'
> {
  readonly tensors: readonly TensorInfo[];
}

/** Reads all but the weights. Throws as loadModel() does. */
export async function readModelFile(
  source: ModelSource,
  { signal, contextLength }: Pick<LoadOptions, 'signal' | 'contextLength'> = {},
): Promise<ModelFile> {
  const { metadata, tensors } = await readGguf(source, signal);
  const config = readConfig(metadata, source.name, { tensors, contextLength });
  // tables of a large vocabulary take a while: a page has its turn before and behind them
  await pause();
  const tokenizer = createTokenizer(metadata, source.name);
  await pause();
  const chatTemplate = createChatTemplate(metadata, tokenizer, source.name);
  const checked = checkTensors(tensors, config, source.name);
  return { metadata, config, tokenizer, chatTemplate, tensors: checked };
}

/** A model with adapters is another model: what is kept of one is not taken for the other's. */
const withAdapters = (config: ModelConfig, adapters: readonly OpenAdapter[]): ModelConfig =>
  adapters.length === 0 ? config : { ...config, adapters: adapters.map(({ spec }) => spec) };

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
