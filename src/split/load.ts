// Half of a model: what one side of a split training loads, and no more.
//
//   client: embedding, layers < cut (and, where labels stay with it, the head)
//   server: layers >= cut (and, where labels come to it, the head)
import { createBackend } from '../backend/registry.ts';
import { MAXIMUM_BYTES } from '../backend/wasm/core.ts';
import type { Backend } from '../backend/backend.ts';
import { type LoadOptions, loadTable } from '../engine/load-options.ts';
import { type Model, type ModelFile, readModelFile } from '../engine/model.ts';
import { loadWeights } from '../engine/place.ts';
import { checkLearnable } from '../model/learning.ts';
import { OptionError, UnsupportedError } from '../errors.ts';
import { hashText } from '../math/rng.ts';
import type { Network } from '../model/forward.ts';
import type { TensorInfo } from '../model/gguf.ts';
import { openModel } from '../model/parts.ts';
import type { ModelFiles, ModelSource } from '../model/source.ts';
import { EMBEDDING, type LayerRange, ROPE_FACTORS, tensorsOf } from '../model/tensors.ts';
import { createTransformer, type Transformer } from '../model/transformer.ts';
import { without } from '../options/table.ts';

export type Side = 'client' | 'server';

/** How a model is cut. */
export interface Cut {
  /** Layers of the client. */
  readonly cut: number;
  /** Who has the labels, and with them the head: with 'client' the split is U-shaped. */
  readonly labels: Side;
}

export interface HalfModel extends Pick<Model, 'config' | 'tokenizer' | 'chatTemplate' | 'source'> {
  readonly side: Side;
  readonly cut: Cut;
  readonly backend: Backend;
  /** Its layers. */
  readonly network: Transformer;
  /** No layers, and the head; where it is on this side. */
  readonly head?: Network;
  /** What the model is known by: both sides have the same. */
  readonly fingerprint: string;
  dispose(): void;
}

/** How half a model is loaded: loadModel()'s options, but for those of whole models. */
export type SplitLoadOptions = Omit<LoadOptions, 'adapters' | 'weights' | 'pipeline'>;
export const halfTable = without(loadTable, 'adapters', 'weights', 'pipeline');

/**
 * Loads one side's layers of a model. Throws OptionError for a cut that leaves the server no layer,
 * and what loadModel() throws.
 */
export async function loadHalf(
  input: ModelFiles,
  side: Side,
  { cut, labels }: Cut,
  options: SplitLoadOptions = {},
): Promise<HalfModel> {
  const source = await openModel(input, options);
  try {
    const file = await readModelFile(source, options);
    const { config } = file;
    if (!Number.isInteger(cut) || cut < 0 || cut >= config.layers)
      throw new OptionError(
        `cut is ${cut}, expected a whole number from 0 to ${config.layers - 1}: the model has ` +
          `${config.layers} layers, the first ones are the client's, at least one the server's`,
      );
    // who cannot learn cannot be split either: both halves run the layers as a training does
    checkLearnable(config);
    const fingerprint = await fingerprintOf(source, file);
    const range = side === 'client' ? { first: 0, end: cut } : { first: cut, end: config.layers };
    const tensors = tensorsOfSide(file, side, range, side === labels);
    const backend = await backendFor(options);
    try {
      const weights = await loadWeights([{ source, tensors }], config, range, backend, options);
      checkLearnable(config, weights);
      const network = createTransformer(config, weights, backend);
      const end = { ...weights, first: config.layers, end: config.layers, layers: [] };
      return {
        ...file,
        source: source.name,
        side,
        cut: { cut, labels },
        backend,
        network,
        ...(side === labels && { head: { ...network, weights: end } }),
        fingerprint,
        dispose: () => backend.dispose(),
      };
    } catch (error) {
      backend.dispose();
      throw error;
    }
  } finally {
    await source.close();
  }
}

/** WebAssembly, where nobody asks for something else that has gradients. */
async function backendFor({
  device = 'auto',
  build,
  threads,
  activations,
  memoryLimit,
}: SplitLoadOptions): Promise<Backend> {
  if (device === 'webgpu')
    throw new UnsupportedError(
      `device is 'webgpu', which has no gradients: split learning runs on 'wasm'`,
    );
  const limitBytes = Math.min(Number(memoryLimit ?? MAXIMUM_BYTES), MAXIMUM_BYTES);
  const named = device === 'auto' ? 'wasm' : device;
  const backend = await createBackend(named, { build, threads, activations, limitBytes });
  if (backend.training) return backend;
  backend.dispose();
  throw new UnsupportedError(`the ${backend.name} backend cannot train: use device 'wasm'`);
}

/** The tensors of a side, in the order they lie in the file. */
function tensorsOfSide(
  { tensors, config }: ModelFile,
  side: Side,
  range: LayerRange,
  hasHead: boolean,
): TensorInfo[] {
  const own = tensorsOf(tensors, config, range).filter(
    ({ name }) =>
      name.startsWith('blk.') || name === ROPE_FACTORS || (side === 'client' && name === EMBEDDING),
  );
  const { layers } = config;
  const head = hasHead ? tensorsOf(tensors, config, { first: layers, end: layers }) : [];
  const names = new Set([...own, ...head].map(({ name }) => name));
  return tensors.filter(({ name }) => names.has(name));
}

/** Tensors that a fingerprint looks at, evenly over the file, and bytes of each. */
const LOOKS = 32;
const LOOK_BYTES = 256;

/** The model's shape, its vocabulary's size, and some of its weights, as a number in hex. */
async function fingerprintOf(source: ModelSource, { config, tensors }: ModelFile): Promise<string> {
  const step = Math.max(1, tensors.length / LOOKS);
  const seen: string[] = [];
  for (let i = 0; i < tensors.length; i += step) {
    const { name, offset, byteLength } = tensors[Math.floor(i)];
    const bytes = await source.read(offset, Math.min(LOOK_BYTES, byteLength));
    seen.push(`${name} ${bytes.join()}`);
  }
  const { name: _, ...shape } = config;
  const text = `${JSON.stringify(shape)} ${seen.join(' ')}`;
  const hex = (seed: number) => hashText(text, seed).toString(16).padStart(8, '0');
  return hex(1) + hex(2);
}
