// Who runs a model's layers: this thread (here), or workers that own some of them each (pipeline/).
// `Run` asks for the same steps either way.
import type { Backend, Drawing } from '../backend/backend.ts';
import type { Place, TokenSpan } from '../backend/cache.ts';
import type { Mark } from '../backend/state.ts';
import { DeviceError, OptionError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LayerRange } from '../model/tensors.ts';
import type { Transformer } from '../model/transformer.ts';
import type { Plan } from './plan.ts';
import type { Placement } from './plan-options.ts';
import { Desk, onlyStage, type Snapshots } from './saved.ts';
import type { Step } from './block.ts';
import { type OnKept, Stage } from './stage.ts';

export interface Executor extends Placement {
  /** Why nothing can be asked of it any more: it was disposed of, or a worker stopped. */
  readonly ended: Error | undefined;
  /**
   * Reserves what a conversation will hold in all layers. Throws DeviceError where memory ends;
   * where layers are in workers, the first operation does.
   */
  open(plan: Plan): Layers;
  /** Input embeddings f32 [n, D] of tokens. */
  embed(tokens: readonly number[]): Promise<Float32Array>;
  dispose(): void;
}

/**
 * A conversation's rows in all layers. Operations take effect in the order of the calls; a call
 * need not wait for the one before.
 */
export interface Layers {
  /**
   * Hears what each layer kept, once a step is done with it: it may dispose of whatever it likes.
   * What it throws rejects that step, which stays done.
   */
  onKept?: OnKept | undefined;
  /** Bytes of rows now, as far as is known, and the most there were. */
  readonly cacheBytes: number;
  readonly peakCacheBytes: number;
  /** Whether its rows are gone: until it is cleared, or others are put back, all rejects. */
  readonly isLost?: boolean;
  /** Bytes of what is kept of the tokens, where a device may be lost. */
  readonly journalBytes?: number;
  /** What stores all rows and puts them back. */
  readonly snapshots: Snapshots;
  /** A block's step (block.ts), with its patched prompt where there is one. */
  step(block: readonly number[], prompt: readonly number[] | undefined, step: Step): Promise<void>;
  append(tokens: readonly number[], place: Place): Promise<void>;
  /**
   * Gives log-odds [V] after token t of the last step or extension to `read`, and what it returns
   * to the caller. They are valid until `read` returns: they may lie in a memory that moves when
   * anybody reserves some.
   */
  logits<T>(t: number, read: (logits: Float32Array) => T): Promise<T>;
  /**
   * Draws tokens one after the other, each appended, the last only if that is said (stage.ts); -1
   * where log-odds are not finite. Left out where the log-odds are here, to be drawn from.
   */
  readonly draw?:
    | ((
        t: number,
        by: Drawing,
        randoms: readonly number[],
        place: Place,
        appendsLast: boolean,
      ) => Promise<readonly number[]>)
    | undefined;
  /** Marks where layers stand, in a slot, whose mark before is forgotten. */
  mark(mark: Mark): Promise<void>;
  /** Goes back to a mark: the rows that each range (cache-shape.ts) has left. */
  rewind(mark: Mark): Promise<readonly number[]>;
  clear(): Promise<void>;
  /** Rows of the tokens of each span, over all heads of layers that see the whole text. */
  held(spans: readonly TokenSpan[]): Promise<number[]>;
  /** Gives everything back. Later operations reject, and say why. */
  dispose(): void;
}

/** What operations reject with once their conversation was disposed of, also those under way. */
export const closedError = (): OptionError =>
  new OptionError('the conversation was disposed of: open another one');

/** What everything rejects with once the model was disposed of. */
export const unloadedError = (): DeviceError =>
  new DeviceError('the model was disposed of: load it again');

/** All layers on this thread. */
export class LocalExecutor implements Executor {
  readonly transformer: Transformer;
  readonly layerRanges: readonly LayerRange[];
  readonly depth = 1;
  ended: Error | undefined;

  constructor(transformer: Transformer) {
    this.transformer = transformer;
    this.layerRanges = [transformer.weights];
  }

  get config(): ModelConfig {
    return this.transformer.config;
  }

  get backend(): Backend {
    return this.transformer.backend;
  }

  open(plan: Plan): LocalLayers {
    if (this.ended) throw this.ended;
    return new LocalLayers(this, new Stage(this.transformer, plan));
  }

  async embed(tokens: readonly number[]): Promise<Float32Array> {
    if (this.ended) throw this.ended;
    return this.transformer.embed(tokens);
  }

  dispose(): void {
    if (this.ended) return;
    this.ended = unloadedError();
    this.transformer.weights.free();
    this.backend.dispose();
  }
}

/**
 * Each operation begins and ends within one call, so that nothing it works on can be freed or moved
 * meanwhile.
 */
export class LocalLayers implements Layers {
  readonly #executor: LocalExecutor;
  readonly #stage: Stage;
  readonly snapshots: Snapshots;
  onKept?: OnKept;
  #closed = false;
  #failure?: { readonly error: unknown };

  constructor(executor: LocalExecutor, stage: Stage) {
    this.#executor = executor;
    this.#stage = stage;
    this.snapshots = new Desk(
      onlyStage(() => this.stage.state),
      [stage.plan.shape],
      stage.plan,
    );
  }

  /** The stage. Throws where conversation or model were disposed of, or an earlier step failed. */
  get stage(): Stage {
    if (this.#executor.ended) throw this.#executor.ended;
    if (this.#closed) throw closedError();
    if (this.#failure) throw this.#failure.error;
    return this.#stage;
  }

  get cacheBytes(): number {
    return this.#stage.held.usedBytes;
  }

  get peakCacheBytes(): number {
    return this.#stage.held.peakBytes;
  }

  async step(
    block: readonly number[],
    prompt: readonly number[] | undefined,
    step: Step,
  ): Promise<void> {
    const kept: Parameters<OnKept>[] = [];
    // the next step may be asked for meanwhile, with a listener of its own
    const { onKept } = this;
    await this.#forward((stage) => {
      stage.onKept = onKept && ((...layer) => kept.push(layer));
      return stage.step(block, prompt, step);
    });
    for (const layer of kept) onKept?.(...layer);
  }

  async append(tokens: readonly number[], place: Place): Promise<void> {
    await this.#forward((stage) => stage.append(tokens, place));
  }

  /**
   * A step that fails half-way (a policy's score throws) leaves rows that must not be used: all
   * later operations fail as it did.
   */
  #forward(work: (stage: Stage) => Promise<unknown>): Promise<unknown> {
    const { stage } = this;
    try {
      return work(stage);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  async logits<T>(t: number, read: (logits: Float32Array) => T): Promise<T> {
    return read(await this.stage.logits(t));
  }

  get draw(): Layers['draw'] {
    // (inputs that each layer has of its own are made here, of tokens that are known)
    const { backend, config } = this.#executor;
    if (!backend.draw || config.layerInputs) return undefined;
    return async (...how) => {
      let drawn: readonly number[] = [];
      await this.#forward(async (stage) => (drawn = [...(await stage.draw(...how))]));
      return drawn;
    };
  }

  async mark({ token, slot }: Mark): Promise<void> {
    this.stage.state.mark(token, slot);
  }

  async rewind(mark: Mark): Promise<readonly number[]> {
    return this.stage.state.rewind(mark);
  }

  async clear(): Promise<void> {
    this.stage.state.clear();
  }

  async held(spans: readonly TokenSpan[]): Promise<number[]> {
    return this.stage.rowsOf(spans);
  }

  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stage.dispose();
  }
}
