// A model on its way into the workers of a pipeline: each is told what it owns, then gets the rows
// of its tensors as they are read, no more at once than workers can put away.
import type { Backend } from '../../backend/backend.ts';
import type { Activations } from '../../backend/rounding.ts';
import type { Compiled } from '../../backend/wasm/core.ts';
import { DeviceError } from '../../errors.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { TensorInfo } from '../../model/gguf.ts';
import { type LoadProgress, type Part, readTensors } from '../../model/load.ts';
import { type LayerRange, tensorsOf } from '../../model/tensors.ts';
import type { FromWorker, ToWorker } from './messages.ts';

export interface PipelineOptions {
  /** The model's tensors, and its adapters'. */
  readonly parts: readonly Part[];
  readonly config: ModelConfig;
  /** Layers of each worker, first to last. */
  readonly layerRanges: readonly LayerRange[];
  /** The backend of this thread. */
  readonly backend: Backend;
  /** What workers run. */
  readonly kernels: Compiled;
  readonly activations: Activations;
  /** Most bytes of each worker's memory. */
  readonly limitBytes: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** Bytes on their way to workers while a model is loaded. */
const UNDER_WAY_BYTES = 8 << 20;
/** Milliseconds that a worker may take to start. */
const START_MS = 30_000;
/** Milliseconds between two looks at what is waited for, where no worker says anything. */
const LOOK_MS = 100;

/** Workers cannot be had, though nothing was against it: the layers may run here instead. */
export class NoWorkersError extends DeviceError {}

/** The workers as they are seen while they are loaded. */
export interface Workers {
  start(stage: number): void;
  tell(stage: number, message: ToWorker, transfer?: Transferable[]): void;
  /** Why nothing can be done any more. */
  readonly ended: Error | undefined;
}

export class Loading {
  readonly #options: PipelineOptions;
  readonly #workers: Workers;
  /** Workers that have begun, and that have all their rows. */
  #begun = 0;
  #ready = 0;
  /** Bytes that were sent and not put away yet. */
  #storing = 0;
  #wake = () => {};

  constructor(options: PipelineOptions, workers: Workers) {
    this.#options = options;
    this.#workers = workers;
  }

  /** Whether all workers were started. */
  get hasBegun(): boolean {
    return this.#begun === this.#options.layerRanges.length;
  }

  /** Something has changed: what is waited for may be there. */
  wake(): void {
    this.#wake();
  }

  hear(message: FromWorker): void {
    if (message.kind === 'begun') this.#begun++;
    else if (message.kind === 'ready') this.#ready++;
    else if (message.kind === 'stored') this.#storing -= message.bytes;
  }

  /** Starts the workers and gives them their tensors; done once all of them are ready. */
  async run(): Promise<void> {
    const { parts, config, layerRanges, onProgress, signal } = this.#options;
    const tensors = parts.flatMap((part) => part.tensors);
    const owned = layerRanges.map((range) => tensorsOf(tensors, config, range));
    this.#begin(owned);
    await this.#until(() => this.hasBegun, START_MS);
    const places = owned.map((list) => new Map(list.map((tensor, i) => [tensor.name, i])));
    await readTensors(
      parts,
      async (tensor, row, rows, bytes) => {
        for (const [stage, place] of places.entries()) {
          const at = place.get(tensor.name);
          if (at === undefined) continue;
          const copy = bytes.slice();
          this.#storing += copy.length;
          const message = { kind: 'rows', tensor: at, row, rows, bytes: copy } as const;
          this.#workers.tell(stage, message, [copy.buffer]);
        }
        await this.#until(() => this.#storing <= UNDER_WAY_BYTES);
      },
      { onProgress, signal },
    );
    for (const stage of layerRanges.keys()) this.#workers.tell(stage, { kind: 'finish' });
    await this.#until(() => this.#ready === layerRanges.length);
  }

  /** Starts each worker, with a channel to the one before and the one behind. */
  #begin(owned: readonly (readonly TensorInfo[])[]): void {
    const { config, layerRanges, kernels, activations, limitBytes } = this.#options;
    const given = { config, kernels, activations, limitBytes };
    const channels = layerRanges.slice(1).map(() => new MessageChannel());
    layerRanges.forEach((range, stage) => {
      const [before, behind] = [channels[stage - 1]?.port2, channels[stage]?.port1];
      const tensors = owned[stage];
      this.#workers.start(stage);
      this.#workers.tell(
        stage,
        { kind: 'begin', stage, range, tensors, before, behind, ...given },
        [before, behind].filter((port) => port !== undefined),
      );
    });
  }

  async #until(reached: () => boolean, patienceMs?: number): Promise<void> {
    const begin = performance.now();
    while (!reached()) {
      this.#options.signal?.throwIfAborted();
      if (this.#workers.ended) throw this.#workers.ended;
      if (patienceMs !== undefined && performance.now() - begin > patienceMs)
        throw new NoWorkersError(`a worker did not start within ${patienceMs / 1000} s`);
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, LOOK_MS);
      });
      clearTimeout(timer);
    }
  }
}
