// A conversation's rows in the layers of all workers: what `Run` asks for, as commands that go
// through them, and their answers as one.
import type { Place, TokenSpan } from '../../backend/cache.ts';
import type { Extent, Mark } from '../../backend/state.ts';
import type { LayerRange } from '../../model/tensors.ts';
import type { Step } from '../block.ts';
import { closedError, type Layers } from '../executor.ts';
import { partOf, type Plan } from '../plan.ts';
import { Desk, type Snapshots, type StagedState } from '../saved.ts';
import type { OnKept } from '../stage.ts';
import type { Done, Task } from './messages.ts';

/** The way to the workers: their answers to a task, first to last. */
export interface Line {
  ask(task: Task): Promise<unknown[]>;
  close(): void;
}

/** A conversation's rows in the layers of all workers. */
export class PipelineLayers implements Layers {
  onKept?: OnKept;
  readonly #line: Line;
  readonly #bytes: { now: number; peak: number }[];
  readonly snapshots: Snapshots;
  #failure?: Error;
  /** What a listener threw, until the step that it heard of says so. */
  #thrown?: { readonly error: unknown };

  constructor(layerRanges: readonly LayerRange[], line: Line, plan: Plan) {
    this.#line = line;
    this.#bytes = layerRanges.map(() => ({ now: 0, peak: 0 }));
    const one = async (task: Task) => (await this.#ask(task))[0] as Uint8Array<ArrayBuffer>;
    const state: StagedState = {
      save: async () => (await this.#ask({ kind: 'save' })) as Extent[],
      read: (stage, piece) => one({ kind: 'read', stage, piece }),
      restore: async (extents) => void (await this.#ask({ kind: 'restore', extents })),
      write: (stage, piece, count) => one({ kind: 'write', stage, piece, count }),
      restored: async () => ((await this.#ask({ kind: 'restored' })) as number[][]).flat(),
      clear: () => this.clear(),
    };
    const shapes = layerRanges.map((range) => partOf(plan, range).shape);
    this.snapshots = new Desk(state, shapes, plan);
  }

  get cacheBytes(): number {
    return this.#bytes.reduce((sum, { now }) => sum + now, 0);
  }

  get peakCacheBytes(): number {
    return this.#bytes.reduce((sum, { peak }) => sum + peak, 0);
  }

  /** For the executor: what a worker answered. */
  hear({ stage, cacheBytes, peakCacheBytes, kept = [] }: Done): void {
    this.#bytes[stage] = { now: cacheBytes, peak: peakCacheBytes };
    try {
      for (const { layer, tokens } of kept) this.onKept?.(layer, tokens);
    } catch (error) {
      this.#thrown ??= { error };
    }
  }

  /** For the executor: every operation from now on rejects. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  async step(
    block: readonly number[],
    prompt: readonly number[] | undefined,
    step: Step,
  ): Promise<void> {
    await this.#ask({ kind: 'step', block, prompt, step, reports: this.onKept !== undefined });
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown) throw thrown.error;
  }

  async append(tokens: readonly number[], place: Place): Promise<void> {
    await this.#ask({ kind: 'append', tokens, place });
  }

  async logits<T>(t: number, read: (logits: Float32Array) => T): Promise<T> {
    const [logits] = await this.#ask({ kind: 'logits', t });
    return read(logits as Float32Array);
  }

  async mark(mark: Mark): Promise<void> {
    await this.#ask({ kind: 'mark', mark });
  }

  async rewind(mark: Mark): Promise<readonly number[]> {
    return ((await this.#ask({ kind: 'rewind', mark })) as number[][]).flat();
  }

  async clear(): Promise<void> {
    await this.#ask({ kind: 'clear' });
  }

  async held(spans: readonly TokenSpan[]): Promise<number[]> {
    const counts = (await this.#ask({ kind: 'held', spans })) as number[][];
    return spans.map((_, i) => counts.reduce((sum, own) => sum + own[i], 0));
  }

  dispose(): void {
    this.fail(closedError());
    this.#line.close();
  }

  async #ask(task: Task): Promise<unknown[]> {
    if (this.#failure) throw this.#failure;
    try {
      return await this.#line.ask(task);
    } catch (error) {
      // rows are no longer what they are taken for
      if (task.kind === 'step' || task.kind === 'append') this.fail(error as Error);
      throw this.#failure ?? error;
    }
  }
}
