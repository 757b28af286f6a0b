// How many workers a model's layers are split over, and which layers each gets.
import { describeValue } from '../../arguments.ts';
import { availableCores, canRunThreads, noWorkers } from '../../backend/wasm/backend.ts';
import { DeviceError, OptionError, UnsupportedError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TensorInfo } from '../../model/gguf.ts';
import { fileBytes, type LayerRange, tensorsOf } from '../../model/tensors.ts';

export interface SplitOptions {
  readonly pipeline?: number | 'auto';
  readonly threads?: number | 'auto';
  /** Most bytes of one memory. */
  readonly limitBytes: number;
}

/** Share of a memory that weights may take: caches and activations need the rest. */
const WEIGHT_SHARE = 7 / 8;
/** A block of a smaller model is done before a message about it has arrived. */
const WORTH_SPLITTING_BYTES = 16 << 20;
/**
 * Most workers where nobody says how many: a conversation's blocks keep few busy, and each has
 * scratch of its own.
 */
const MOST_WORKERS = 4;

/**
 * The layers of each worker, first to last; one range where the model stays in one memory. Throws
 * OptionError for a number that cannot be, UnsupportedError for workers where there are none,
 * DeviceError for a model whose parts do not fit, however it is split.
 */
export function splitLayers(
  tensors: readonly TensorInfo[],
  config: ModelConfig,
  { pipeline = 'auto', threads = 'auto', limitBytes }: SplitOptions,
): LayerRange[] {
  const { layers } = config;
  if (pipeline !== 'auto') {
    if (!Number.isInteger(pipeline) || pipeline < 1 || pipeline > layers)
      throw new OptionError(
        `pipeline is ${describeValue(pipeline)}, expected a whole number from 1 to the model's ` +
          `${layers} layers, or 'auto'`,
      );
    if (pipeline > 1 && noWorkers !== undefined)
      throw new UnsupportedError(
        `a pipeline of ${pipeline} workers was asked for, but ${noWorkers}: use 1 or 'auto'`,
      );
    if (pipeline > 1 && threads !== 'auto' && threads > 1)
      throw new OptionError(
        `${threads} threads and ${pipeline} workers of a pipeline were asked for: choose one of ` +
          `them`,
      );
    return splitEvenly(layers, pipeline);
  }
  const most = limitBytes * WEIGHT_SHARE;
  const largest = (count: number) =>
    Math.max(
      ...splitEvenly(layers, count).map((range) => fileBytes(tensorsOf(tensors, config, range))),
    );
  if (largest(1) <= most) {
    const alone =
      noWorkers !== undefined || canRunThreads() || fileBytes(tensors) < WORTH_SPLITTING_BYTES;
    return splitEvenly(layers, alone ? 1 : Math.min(MOST_WORKERS, layers, availableCores()));
  }
  if (noWorkers !== undefined)
    throw new DeviceError(
      `the model's weights take ${formatBytes(largest(1))}, more than the ${formatBytes(most)} ` +
        `that one wasm memory has for them, and ${noWorkers}: choose a smaller model, or weights ` +
        `of fewer bits`,
    );
  for (let count = 2; count <= layers; count++)
    if (largest(count) <= most) return splitEvenly(layers, count);
  throw new DeviceError(
    `a layer and what goes with it take ${formatBytes(largest(layers))}, more than the ` +
      `${formatBytes(most)} that one wasm memory has for weights: choose a smaller model, or ` +
      `weights of fewer bits`,
  );
}

/** Whether all of a model's weights can lie in one memory. */
export function fitsOneMemory(tensors: readonly TensorInfo[], limitBytes: number): boolean {
  return fileBytes(tensors) <= limitBytes * WEIGHT_SHARE;
}

/**
 * Layers cut into `count` ranges as equal as can be, the longer ones first: the last also makes
 * log-odds.
 */
export function splitEvenly(layers: number, count: number): LayerRange[] {
  return Array.from({ length: count }, (_, i) => ({
    first: Math.ceil((i * layers) / count),
    end: Math.ceil(((i + 1) * layers) / count),
  }));
}
