// A conversation's layers on a device that may be lost. What is asked for goes to the layers there
// at once, later to others, which are first brought to where those stood (journal.ts). Whoever asks
// sees nothing of it but that it took longer.
import type { Drawing } from '../backend/backend.ts';
import type { Place, TokenSpan } from '../backend/cache.ts';
import type { Mark } from '../backend/state.ts';
import { type Again, LostError } from '../cache/stored.ts';
import { DeviceError } from '../errors.ts';
import type { Step } from './block.ts';
import type { Asked } from './asked.ts';
import { drawHere } from './draw-here.ts';
import { closedError, type Executor, type Layers } from './executor.ts';
import { appended, type Change, Journal, redo, stepped } from './journal.ts';
import type { LastingExecutor } from './lasting.ts';
import type { Plan } from './plan.ts';
import { pause } from './prefill.ts';
import type { Snapshots } from './saved.ts';
import type { OnKept } from './stage.ts';

const unknown: Again = () =>
  Promise.reject(new LostError('a stored state', 'it went with the device, and is nowhere else'));

export class LastingLayers implements Layers {
  readonly #owner: LastingExecutor;
  readonly #plan: Plan;
  readonly #journal: Journal;
  readonly snapshots: Snapshots;
  readonly draw: Layers['draw'];
  onKept?: OnKept;
  #executor: Executor;
  #layers: Layers | undefined;
  /** What is not done yet, or stands behind something that is not. */
  #asked: Asked[] = [];
  #isMoving = false;
  #isClosed = false;
  #failure?: { readonly error: unknown };
  /** Why there are no rows, until others are put in their place. */
  #gone?: LostError;
  #peakBytes = 0;

  /** Throws as opening layers does, but for a device that is lost. */
  constructor(owner: LastingExecutor, executor: Executor, plan: Plan) {
    this.#owner = owner;
    this.#plan = plan;
    this.#executor = executor;
    this.#journal = new Journal(plan.blockSize, plan.rowType);
    this.snapshots = this.#storing();
    if (executor.backend.draw) this.draw = (...how) => this.#draw(...how);
    try {
      this.#layers = executor.open(plan);
    } catch (error) {
      if (!owner.isLost(error, executor)) throw error;
      void this.#move(error);
    }
  }

  get cacheBytes(): number {
    return this.#layers?.cacheBytes ?? 0;
  }

  get peakCacheBytes(): number {
    return Math.max(this.#peakBytes, this.#layers?.peakCacheBytes ?? 0);
  }

  get isLost(): boolean {
    return this.#gone !== undefined;
  }

  get journalBytes(): number {
    return this.#journal.bytes;
  }

  async step(
    block: readonly number[],
    prompt: readonly number[] | undefined,
    step: Step,
  ): Promise<void> {
    const kept = await this.#change(
      async (layers) => {
        const heard: Parameters<OnKept>[] = [];
        layers.onKept = this.onKept && ((...layer) => heard.push(layer));
        await layers.step(block, prompt, step);
        return heard;
      },
      () => stepped(block, prompt, step),
    );
    for (const layer of kept) this.onKept?.(...layer);
  }

  append(tokens: readonly number[], place: Place): Promise<void> {
    return this.#change(
      (layers) => layers.append(tokens, place),
      () => appended(tokens, place),
    );
  }

  #draw(
    t: number,
    by: Drawing,
    randoms: readonly number[],
    place: Place,
    appendsLast: boolean,
  ): Promise<readonly number[]> {
    return this.#change(
      (layers) =>
        layers.draw
          ? layers.draw(t, by, randoms, place, appendsLast)
          : drawHere(layers, t, by, randoms, place, appendsLast),
      (drawn) => appended(appendsLast ? drawn : drawn.slice(0, -1), place),
    );
  }

  logits<T>(t: number, read: (logits: Float32Array) => T): Promise<T> {
    // a reader may draw a random number: it reads once
    let given: { readonly value: T } | undefined;
    const once = (logits: Float32Array) => (given ??= { value: read(logits) }).value;
    return this.#ask((layers) => layers.logits(t, once), 'none');
  }

  mark(mark: Mark): Promise<void> {
    return this.#change(
      (layers) => layers.mark(mark),
      () => ({ kind: 'mark', mark }),
    );
  }

  rewind(mark: Mark): Promise<readonly number[]> {
    return this.#change(
      (layers) => layers.rewind(mark),
      () => ({ kind: 'rewind', mark }),
    );
  }

  clear(): Promise<void> {
    this.#renew();
    return this.#change(
      (layers) => layers.clear(),
      () => ({ kind: 'clear' }),
    );
  }

  held(spans: readonly TokenSpan[]): Promise<number[]> {
    return this.#ask((layers) => layers.held(spans), 'none');
  }

  dispose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#end(closedError());
    // what lay on a device that is lost went with it
    if (this.#owner.current === this.#executor) this.#layers?.dispose();
  }

  #storing(): Snapshots {
    const putBack = <T extends { readonly token: number } | undefined>(
      work: (layers: Layers) => Promise<T>,
      from: readonly Again[],
      recent = 0,
    ) => {
      this.#renew();
      return this.#ask(
        work,
        'clear',
        (done) => done && { kind: 'restore', token: done.token, from, recent },
      );
    };
    return {
      save: (standing, tag, out, again) =>
        this.#ask(
          (layers) => layers.snapshots.save(standing, tag, out),
          'none',
          () => again && { kind: 'restore', token: standing.token, from: [again], recent: 0 },
        ),
      restore: (stored) =>
        putBack((layers) => layers.snapshots.restore(stored), [stored.again ?? unknown]),
      restoreUnion: (a, b, recent) =>
        putBack(
          (layers) => layers.snapshots.restoreUnion(a, b, recent),
          [a.again ?? unknown, b.again ?? unknown],
          recent,
        ),
    };
  }

  /** Rows that are gone are not missed any more: others take their place. */
  #renew(): void {
    if (this.#gone) this.#journal.add({ kind: 'clear' });
    this.#gone = undefined;
  }

  #change<T>(work: (layers: Layers) => Promise<T>, leaves: (result: T) => Change): Promise<T> {
    return this.#ask(work, 'end', leaves);
  }

  #ask<T>(
    work: (layers: Layers) => Promise<T>,
    onFailure: Asked['onFailure'],
    leaves?: (result: T) => Change | undefined,
  ): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError());
    const failure = this.#owner.ended ?? this.#failure?.error ?? this.#gone;
    if (failure !== undefined) return Promise.reject(failure);
    return new Promise<T>((resolve, reject) => {
      const asked = { work, onFailure, leaves, resolve, reject, isDone: false } as Asked;
      this.#asked.push(asked);
      if (this.#isMoving) return;
      const executor = this.#executor;
      work(this.#layers!).then(
        (result) => this.#done(asked, result),
        (error) => this.#failed(asked, error, executor),
      );
    });
  }

  #done(asked: Asked, result: unknown): void {
    if (asked.isDone) return;
    asked.isDone = true;
    asked.left = asked.leaves?.(result);
    asked.resolve(result);
    this.#retire();
  }

  #failed(asked: Asked, error: unknown, executor: Executor): void {
    if (asked.isDone) return;
    const { ended } = this.#owner;
    const isOver = ended !== undefined || this.#owner.isLost(error, executor);
    if (ended) this.#end(ended);
    else if (isOver) void this.#move(error);
    if (isOver) return;
    asked.isDone = true;
    asked.reject(error);
    if (asked.onFailure === 'clear') asked.left = { kind: 'clear' };
    if (asked.onFailure === 'end') this.#failure = { error };
    this.#retire();
  }

  /** What is done, and everything before it, goes into the journal. */
  #retire(): void {
    while (!this.#isMoving && this.#asked[0]?.isDone) {
      const { left } = this.#asked.shift()!;
      if (left) this.#journal.add(left);
    }
  }

  /** Nothing more comes of what was asked for. */
  #end(error: unknown): void {
    for (const asked of this.#asked) if (!asked.isDone) asked.reject(error);
    this.#asked = [];
  }

  /** Goes on with other layers, which are brought to where these stood. */
  async #move(why: unknown): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    try {
      const layers = await this.#openOther(why);
      if (layers) await this.#bring(layers);
    } catch (error) {
      if (error instanceof LostError) this.#gone = error;
      else this.#failure = { error };
      this.#end(error);
    }
    this.#isMoving = false;
    this.#retire();
  }

  async #openOther(why: unknown): Promise<Layers | undefined> {
    this.#peakBytes = this.peakCacheBytes;
    this.#executor = await this.#owner.survivor(this.#executor, why);
    if (this.#isClosed) return undefined;
    if (this.#executor.layerRanges.length > 1 && this.#plan.layers === 'global')
      throw new DeviceError(
        `the GPU is gone, and layers 'global' cannot go on in workers: open a conversation that ` +
          `shares layers in another way`,
      );
    this.#layers = this.#executor.open(this.#plan);
    return this.#layers;
  }

  async #bring(layers: Layers): Promise<void> {
    for (const change of this.#journal.changes) {
      if (this.#isClosed) return;
      await redo(change, layers);
      await pause();
    }
    // more may be asked for meanwhile
    for (let i = 0; i < this.#asked.length; i++) {
      const asked = this.#asked[i];
      if (asked.isDone && asked.left) await redo(asked.left, layers);
      if (asked.isDone) continue;
      try {
        this.#done(asked, await asked.work(layers));
      } catch (error) {
        if (error instanceof LostError && asked.onFailure !== 'clear') throw error;
        this.#failed(asked, error, this.#executor);
      }
    }
  }
}
