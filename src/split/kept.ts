// A training's server half in a store: what is written at each step's end, before the client hears
// that it is made, and what another server, or this one started anew, goes on from.
//
//   u32 bytes of the state | u32 bytes of the one before, 0: none | state | state before
//
// States are snapshots (train/snapshot.ts). A client that has a checkpoint may be killed between a
// step of the server's and its own: then both go on from the state before.
import { StoreError } from '../errors.ts';
import { joined } from '../math/joined.ts';
import {
  damaged,
  readFront,
  type SnapshotFront,
  type SnapshotRecord,
  type SnapshotSource,
} from '../train/snapshot.ts';
import type { MessageOf } from './messages.ts';
import type { ServerHalf } from './server-half.ts';
import { type Bytes, isTrainingId, type SplitStore } from './store/store.ts';

/** What a state says of itself. */
export interface StateRecord extends SnapshotRecord {
  /** The client's process, and the number of the question that ended the step. */
  readonly run: string;
  readonly number: number;
  /** What it was answered. */
  readonly squares: number;
}

/** A half whose state can be written and read. */
export type KeepableHalf = Pick<ServerHalf, 'step' | 'save' | 'restore'>;

/** A training that may be kept. */
export interface Keepable {
  /** What it is a training of. */
  readonly of: SnapshotRecord['of'];
  /** Most bytes of a state. */
  readonly stateBytes: number;
}

/** Where a training goes on. */
export interface Resumed {
  /** The last question that counts. */
  readonly number: number;
  /** Its answer, where the client does not have it. */
  readonly answer?: MessageOf<'applied'>;
}

const FRONT_BYTES = 8;

export const noTraining = (id: string): StoreError =>
  new StoreError(
    `the server has no training '${id.slice(0, 40)}': it was started anew, or gave up waiting; ` +
      `begin again`,
  );

export class KeptTraining {
  readonly store: SplitStore;
  readonly #id: string;
  readonly #keepable: Keepable;
  /** Whether the state before is kept as well. */
  readonly #isTwofold: boolean;
  #version = 0;
  #last?: Bytes;
  #isClosed = false;
  #renewedMs = performance.now();
  /** What the store is asked, one after the other. */
  #line: Promise<unknown> = Promise.resolve();

  constructor(store: SplitStore, id: string, keepable: Keepable, isTwofold: boolean) {
    this.store = store;
    this.#id = id;
    this.#keepable = keepable;
    this.#isTwofold = isTwofold;
  }

  /** Most bytes that it takes in memory: a state, and what is written or read. */
  static bytes({ stateBytes }: Keepable, isTwofold: boolean): number {
    return stateBytes * (isTwofold ? 4 : 2);
  }

  #inLine<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#line.then(work);
    this.#line = done.catch(() => {});
    return done;
  }

  /**
   * Writes the state behind a step. Throws StoreError where another server has the training, and
   * what the store throws.
   */
  put(half: KeepableHalf, about: Omit<StateRecord, 'step' | 'of'>): Promise<void> {
    return this.#inLine(async () => {
      const { of } = this.#keepable;
      const parts: Uint8Array[] = [];
      const write = (bytes: Uint8Array) => void parts.push(bytes.slice());
      await half.save(write, { step: half.step, of, ...about } satisfies StateRecord);
      // numbers of a half that was given back meanwhile are anybody's
      if (this.#isClosed) throw new StoreError(`the training '${this.#id}' has ended here`);
      const state = joined(parts);
      const before = this.#isTwofold && this.#last ? this.#last : new Uint8Array(0);
      const sizes = new Uint8Array(Uint32Array.of(state.length, before.length).buffer);
      const isOurs = await this.store.put(this.#id, this.#version, joined([sizes, state, before]));
      if (!isOurs) throw new StoreError(`another server has the training '${this.#id}'`);
      this.#version++;
      this.#renewedMs = performance.now();
      if (this.#isTwofold) this.#last = state;
    });
  }

  /**
   * The training is this server's from here on. Whether nobody else has had it since the last put;
   * throws StoreError where there is none.
   */
  claim(): Promise<boolean> {
    return this.#inLine(async () => {
      const version = isTrainingId(this.#id) ? await this.store.claim(this.#id) : undefined;
      if (version === undefined) throw noTraining(this.#id);
      const isSame = version === this.#version + 1;
      this.#version = version;
      return isSame;
    });
  }

  /**
   * Puts a claimed training into a half, at the step where its client is. Throws StoreError for a
   * damaged state, and where none is of that step; OptionError for another training's.
   */
  async resume(half: KeepableHalf, hello: MessageOf<'hello'>): Promise<Resumed> {
    const most = FRONT_BYTES + 2 * this.#keepable.stateBytes;
    const bytes = await this.store.get(this.#id, most);
    if (!bytes) throw noTraining(this.#id);
    const states = await this.#statesOf(bytes);
    const { step, run, received, asked } = hello;
    const [{ record }] = states;
    // its step is made, and the client waits for the answer
    const isAnswer =
      record.step === step + 1 && record.run === run && record.number === received + 1;
    const chosen = isAnswer ? states[0] : states.find((state) => state.record.step === step);
    if (!chosen)
      throw new StoreError(
        `the client has made ${step} steps of the training '${this.#id}', the server has it at ` +
          `${states.map((state) => state.record.step).join(' and ')}: begin again`,
      );
    await half.restore(chosen.source, chosen.front, this.#keepable.of);
    if (this.#isTwofold) this.#last = chosen.bytes;
    if (!isAnswer) return { number: asked };
    const answer = { kind: 'applied', squares: record.squares, finite: true } as const;
    return { number: record.number, answer };
  }

  async #statesOf(bytes: Bytes): Promise<State[]> {
    const whole = this.#sourceOf(bytes);
    const [size, before] =
      bytes.length < FRONT_BYTES ? [0, 0] : new Uint32Array(bytes.buffer, 0, FRONT_BYTES / 4);
    if (size === 0 || size % 4 > 0 || FRONT_BYTES + size + before !== bytes.length)
      throw damaged(whole, `has ${bytes.length} bytes, which are no states of a training`);
    const states: State[] = [];
    for (const part of [
      bytes.slice(FRONT_BYTES, FRONT_BYTES + size),
      bytes.slice(FRONT_BYTES + size),
    ]) {
      if (part.length === 0) continue;
      const source = this.#sourceOf(part);
      const front = await readFront(source);
      const record = front.header as SnapshotRecord as StateRecord;
      const { run, number, squares } = record;
      if (typeof run !== 'string' || !Number.isInteger(number) || typeof squares !== 'number')
        throw damaged(source, 'has a header that cannot be read (fields are missing)');
      states.push({ bytes: part, source, front, record });
    }
    return states;
  }

  #sourceOf(bytes: Bytes): SnapshotSource {
    return {
      sizeBytes: bytes.length,
      async read(at, into) {
        const found = bytes.subarray(at, at + into.length);
        into.set(found);
        return found.length;
      },
      name: `the training '${this.#id}' in the server's store`,
      advice: 'begin it again',
    };
  }

  /** Renews the lease where it is time to; false: another server has the training. */
  async renew(leaseMs: number): Promise<boolean> {
    const nowMs = performance.now();
    if (nowMs - this.#renewedMs < leaseMs / 3) return true;
    this.#renewedMs = nowMs;
    return this.#inLine(() => this.store.renew(this.#id, this.#version));
  }

  /** Nothing more is put: its half is given back. */
  close(): void {
    this.#isClosed = true;
  }

  remove(): Promise<void> {
    return this.#inLine(() => this.store.remove(this.#id, this.#version));
  }
}

interface State {
  readonly bytes: Bytes;
  readonly source: SnapshotSource;
  readonly front: SnapshotFront;
  readonly record: StateRecord;
}
