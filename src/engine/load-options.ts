// How a model is loaded, and what runs it: the options of loadModel().
import { describeValue, oneOf } from '../arguments.ts';
import type { Backend } from '../backend/backend.ts';
import { type BackendName, backendNames } from '../backend/registry.ts';
import { activationKinds } from '../backend/rounding.ts';
import { MOST_THREADS } from '../backend/wasm/backend.ts';
import { type Build, builds } from '../backend/wasm/builds.ts';
import { type AdapterOption, readAdapterOptions } from '../model/adapter/option.ts';
import type { LoadProgress } from '../model/load.ts';
import { type DownloadOptions, downloadTable } from '../model/download/options.ts';
import * as kinds from '../options/kinds.ts';
import { OptionError } from '../errors.ts';
import { option, type OptionsOf } from '../options/table.ts';

const named = kinds.oneOf(['auto', ...builds]);
const build = kinds.custom<Build | 'auto' | Uint8Array<ArrayBuffer>>(
  named.values,
  (name, value) =>
    value instanceof Uint8Array ? (value as Uint8Array<ArrayBuffer>) : named.check(name, value),
  { words: named.words },
);
const device = kinds.custom<Backend | BackendName | 'auto'>(
  `auto, ${backendNames.join(', ')}, or a Backend`,
  (name, value) => {
    if (typeof value === 'string')
      return oneOf(name, value as 'auto', ['auto', ...backendNames] as const);
    const { arena, dispose } = (value ?? {}) as Partial<Backend>;
    if (typeof arena === 'object' && typeof dispose === 'function') return value as Backend;
    const names = ['auto', ...backendNames].map((each) => `'${each}'`).join(', ');
    throw new OptionError(`${name} is ${describeValue(value)}, expected ${names} or a Backend`);
  },
);

const counts = kinds.either(kinds.whole(1, Number.POSITIVE_INFINITY), 'auto');
const counted = "a whole number from 1 to the model's layers, or 'auto'";
/** How many layers there are is known once the model is read (pipeline/split.ts). */
const workers = kinds.custom<number | 'auto'>(
  counted,
  (name, value) => {
    if (value === 'auto' || (Number.isInteger(value) && Number(value) >= 1))
      return value as number | 'auto';
    throw new OptionError(`${name} is ${describeValue(value)}, expected ${counted}`);
  },
  { fromText: counts.fromText },
);

const adapters = kinds.custom<readonly (AdapterOption | string)[]>(
  'adapters: files, or { source, scale }',
  (name, value) => readAdapterOptions(name, value),
  { isList: true },
);

const machineTable = {
  /**
   * Adapters (LoRA) that are added to the model's matrices, in this order: GGUF or PEFT files, each
   * with a scale (docs/adapters.md).
   */
  adapters: option(adapters, {
    flag: 'adapter F[:SCALE]',
    summary: 'a LoRA adapter, GGUF or PEFT, from file F, times SCALE (1); several add up',
  }),
  /**
   * Positions at most. Default: as many as the model was trained with. A conversation of any length
   * fits into them; some models (Phi 3 and 4) have other rope factors for a short context than for
   * a long one, which this chooses.
   */
  contextLength: option(kinds.whole(1, 2 ** 30), {
    flag: 'context-length N',
    summary: 'positions at most; as many as the model was trained with where left out',
  }),
  /** Called as weights arrive, about once a MiB. */
  onProgress: option(kinds.callback<(progress: LoadProgress) => void>(), {
    summary: 'called as weights arrive',
  }),
  /**
   * Which build of the kernels: 'relaxed' needs relaxed SIMD (Node 22+). Default 'auto'. Bytes of a
   * module are for tests.
   */
  build: option(build, { default: 'auto', flag: 'build NAME', summary: 'kernels to use' }),
  /**
   * How activations are rounded, in blocks of 32, for products with quantised weights: to 8 bits,
   * as llama.cpp does, or to 16, which takes up to twice the time and is 200 times as exact.
   * Default 'auto': to 8 bits, but in conversations that keep rows in f32, and in training, to 16.
   * Of wasm: other devices compute in f32.
   */
  activations: option(kinds.oneOf(activationKinds), {
    default: 'auto',
    flag: 'activations BITS',
    summary:
      'how activations are rounded for products with quantised weights; auto: to 8 bits, but to ' +
      '16 with rows of f32, and in training',
  }),
  /**
   * Threads that share the work, this one included. Default 'auto': by the cores there are, 1 where
   * memory cannot be shared (pages without cross-origin isolation). They start with the first work
   * that is worth sharing and stop when the last conversation is closed. The number changes no
   * result.
   */
  threads: option(kinds.either(kinds.whole(1, MOST_THREADS), 'auto'), {
    default: 'auto',
    flag: 'threads N',
    summary: 'threads that share the work; auto: by the cores there are',
  }),
  /**
   * Workers that own consecutive layers each, in memories of their own; blocks flow through them.
   * 1: none, the layers are on this thread (or shared by `threads`). Default 'auto': none where
   * threads can share a memory; else some, by the cores there are, for models that are worth it; in
   * any case as many as it takes where a model does not fit into one memory. They start while the
   * model loads and stop when it is disposed of. The number changes no result.
   */
  pipeline: option(workers, {
    default: 'auto',
    flag: 'pipeline N',
    summary:
      'workers that own some of the layers each; auto: none, unless the model does not fit into ' +
      'one memory, or threads cannot share one',
  }),
  /**
   * Most bytes of one wasm memory, or of the device's. Default: what 32 bits reach, 4 GiB, or what
   * the device has. A model that needs more than a wasm memory is split over workers.
   */
  memoryLimit: option(kinds.bytes('2GB'), {
    otherwise: '4GB',
    flag: 'memory-limit B',
    summary:
      'most bytes of one memory, or of a device; a model that needs more is split over workers',
  }),
  /**
   * Weights as they are 'stored', or widened to 'f32', which takes more memory and is what all of
   * a model can be trained in. Default 'stored'.
   */
  weights: option(kinds.oneOf(['stored', 'f32']), {
    default: 'stored',
    flag: 'weights AS',
    summary: 'weights as they are stored, or widened to f32',
  }),
  /**
   * What computes: 'webgpu' (a GPU), 'wasm' (the CPU), 'reference' (plain loops in f64, to hold
   * results against), or a Backend with a memory of its own, which the model then owns. Where a GPU
   * is lost the model goes on with 'wasm', its weights loaded again. Default 'auto': 'webgpu' where
   * its device passes a short check of numbers and speed, else 'wasm'; `model.backendReason` says
   * why.
   */
  device: option(device, {
    default: 'auto',
    flag: 'device NAME',
    summary:
      'what computes; auto: webgpu where its device is right and faster than wasm; reference: ' +
      'plain loops in f64, to hold results against',
  }),
};

export const loadTable = { ...machineTable, ...downloadTable };

export interface LoadOptions extends OptionsOf<typeof machineTable>, DownloadOptions {}
