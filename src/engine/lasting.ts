// Who runs a model's layers where a device may be lost: the device, and once it is gone whoever the
// model can be loaded for again. Conversations that are open go on there (lasting-layers.ts).
import type { Backend } from '../backend/backend.ts';
import { DeviceLostError } from '../backend/webgpu/device.ts';
import { DeviceError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LayerRange } from '../model/tensors.ts';
import { type Executor, type Layers, LocalExecutor, unloadedError } from './executor.ts';
import { LastingLayers } from './lasting-layers.ts';
import type { Plan } from './plan.ts';

/** Loads the model again for WebAssembly. */
export type Reload = (signal: AbortSignal) => Promise<Executor>;

export class LastingExecutor implements Executor {
  readonly config: ModelConfig;
  readonly #reload: Reload;
  readonly #disposal = new AbortController();
  #current: Executor;
  #ended?: Error;
  #lost?: string;
  #moving?: Promise<Executor>;

  constructor(executor: Executor, reload: Reload) {
    this.config = executor.config;
    this.#current = executor;
    this.#reload = reload;
  }

  /** Who runs them now. */
  get current(): Executor {
    return this.#current;
  }

  get backend(): Backend {
    return this.#current.backend;
  }

  get layerRanges(): readonly LayerRange[] {
    return this.#current.layerRanges;
  }

  get depth(): number {
    return this.#current.depth;
  }

  get ended(): Error | undefined {
    return this.#ended ?? (this.#moving ? undefined : this.#current.ended);
  }

  /** Why another one than at first runs them. */
  get lost(): string | undefined {
    return this.#lost;
  }

  open(plan: Plan): Layers {
    if (this.ended) throw this.ended;
    return new LastingLayers(this, this.#current, plan);
  }

  async embed(tokens: readonly number[]): Promise<Float32Array> {
    for (;;) {
      if (this.#ended) throw this.#ended;
      const executor = this.#current;
      try {
        return await executor.embed(tokens);
      } catch (error) {
        if (!this.isLost(error, executor)) throw error;
        await this.survivor(executor, error);
      }
    }
  }

  /** Whether something went wrong because who did it is gone. */
  isLost(error: unknown, executor: Executor): boolean {
    return error instanceof DeviceLostError || this.#current !== executor;
  }

  /** Who goes on in another's place. Rejects with DeviceError where nobody can: all is over. */
  survivor(lost: Executor, why: unknown): Promise<Executor> {
    if (this.#current !== lost) return Promise.resolve(this.#current);
    this.#moving ??= this.#replace(lost, (why as Error).message).finally(() => {
      this.#moving = undefined;
    });
    return this.#moving;
  }

  dispose(): void {
    if (this.#ended) return;
    this.#ended = unloadedError();
    this.#disposal.abort(this.#ended);
    this.#current.dispose();
  }

  async #replace(lost: Executor, why: string): Promise<Executor> {
    console.warn(`recollect: ${why}; the model is loaded again for WebAssembly`);
    let next: Executor;
    try {
      next = await this.#reload(this.#disposal.signal);
    } catch (cause) {
      if (!this.#ended) {
        this.#ended = new DeviceError(
          `${why}, and it could not be loaded again for WebAssembly: ${(cause as Error).message}`,
          { cause },
        );
        lost.dispose();
      }
      throw this.#ended;
    }
    if (this.#ended) {
      next.dispose();
      throw this.#ended;
    }
    this.#current = next;
    this.#lost = why;
    lost.dispose();
    return next;
  }
}

/** Who runs all layers of a model on this thread, if that is so now. */
export function localOf(executor: Executor): LocalExecutor | undefined {
  const current = executor instanceof LastingExecutor ? executor.current : executor;
  return current instanceof LocalExecutor ? current : undefined;
}
