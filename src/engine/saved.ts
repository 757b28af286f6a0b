// A conversation's state on its way to where it is stored, and back: piece by piece, through a few
// buffers of a fixed size, which the plan has counted. Where the layers are, here or in workers,
// `StagedState` says.
import { SectionChecksums } from '../cache/checksum.ts';
import { Joined, joinedBytes } from '../cache/joined.ts';
import {
  type Again,
  type BytesOut,
  frameBytes,
  LostError,
  makeHead,
  type Standing,
  stateBytes,
  type Stored,
  type Tag,
} from '../cache/stored.ts';
import { type Body, StoredReader } from '../cache/stored-reader.ts';
import type { Extent, State } from '../backend/state.ts';
import type { CacheShape } from '../backend/cache-shape.ts';
import { sectionsOf } from '../backend/extent.ts';
import { StoreError } from '../errors.ts';
import type { Restored } from './stage.ts';

/** The state of all stages, to be taken out and put back. */
export interface StagedState {
  /** Begins to take it out: how much there is in each stage. */
  save(): Promise<readonly Extent[]>;
  /**
   * Fills a buffer with the next bytes of a stage, as far as there are any. Gives the buffer back,
   * which may have moved.
   */
  read(stage: number, piece: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** Forgets all and makes room for another. Throws StoreError where that does not fit. */
  restore(extents: readonly Extent[]): Promise<void>;
  /** Puts the next `count` bytes of a stage back. Gives the buffer back. */
  write(
    stage: number,
    piece: Uint8Array<ArrayBuffer>,
    count: number,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Ends that: rows of each range. Throws StoreError where some are missing. */
  restored(): Promise<number[]>;
  clear(): Promise<void>;
}

/** The state of the only stage; `state` gives it, or throws where it is gone. */
export function onlyStage(state: () => State): StagedState {
  return {
    save: async () => [await state().save()],
    async read(_, piece) {
      await state().read(piece);
      return piece;
    },
    restore: async ([extent]) => state().restore(extent),
    async write(_, piece, count) {
      state().write(piece.subarray(0, count));
      return piece;
    },
    restored: async () => state().restored(),
    clear: async () => state().clear(),
  };
}

/** What a plan says of saved states. */
export interface SavedPlan {
  /** Bytes that are read or written at a time. */
  readonly pieceBytes: number;
  /** Rows of the fullest head whose rows can be put together with another's. */
  readonly joinedRows: number;
  readonly sinks: number;
  /** What the model's adapters are told from others by: states under others are not read. */
  readonly adapters?: number;
}

const LEAST_PIECE = 8 << 10;
const MOST_PIECE = 256 << 10;
/**
 * Pieces that a state is cut into: small states into small ones, so that buffers take a small part
 * of the budget.
 */
const PIECES = 32;

/**
 * Bytes of a piece, for states of so many bytes: rows are never cut where two states are put
 * together.
 */
export function pieceBytes(stateBytes: number, rowBytes: number): number {
  const part = Math.ceil(stateBytes / PIECES / 64) * 64;
  return Math.max(Math.min(MOST_PIECE, Math.max(LEAST_PIECE, part)), Math.ceil(rowBytes / 64) * 64);
}

/**
 * Bytes that saving and restoring take beside the cache: a piece and two windows, heads and tails
 * of two states, and what chooses rows.
 */
export function savedBytes(
  shape: CacheShape,
  plan: Pick<SavedPlan, 'pieceBytes' | 'joinedRows'>,
): number {
  return 3 * plan.pieceBytes + 2 * frameBytes(shape) + joinedBytes(plan.joinedRows);
}

/** Stores a conversation's state, and puts it back. */
export interface Snapshots {
  /**
   * Stores it under a tag. It must stay as it is meanwhile. `again` lends it later, for who loses
   * the state.
   */
  save(standing: Standing, tag: Tag, out: BytesOut, again?: Again): Promise<void>;
  /** Throws LostError for what is damaged or another's; there are no rows then. */
  restore(stored: Stored): Promise<Restored>;
  /**
   * The union of two, the last `recent` tokens for certain; undefined, with nothing changed, where
   * they cannot be put together.
   */
  restoreUnion(first: Stored, second: Stored, recent: number): Promise<Restored | undefined>;
}

export class Desk implements Snapshots {
  readonly #state: StagedState;
  readonly #shapes: readonly CacheShape[];
  readonly #plan: SavedPlan;
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  #numbers?: ArrayBuffer;

  /** `shapes`: of the caches of each stage. */
  constructor(state: StagedState, shapes: readonly CacheShape[], plan: SavedPlan) {
    this.#state = state;
    this.#shapes = shapes;
    this.#plan = plan;
  }

  async save(standing: Standing, tag: Tag, out: BytesOut): Promise<void> {
    const extents = await this.#state.save();
    const head = makeHead(this.#shapes, extents, standing, this.#own(tag));
    const sections = this.#shapes.map((shape, i) => sectionsOf(shape, extents[i]));
    const sums = new SectionChecksums(sections.flat());
    out.reserve(stateBytes(this.#shapes, extents));
    await out.write(new Uint8Array(head.buffer));
    for (const [stage, own] of sections.entries()) {
      for (let left = own.reduce((a, b) => a + b, 0); left > 0;) {
        const piece = await this.#state.read(stage, this.#piece(0));
        this.#pieces[0] = piece;
        const part = piece.subarray(0, Math.min(left, piece.length));
        sums.add(part);
        await out.write(part);
        left -= part.length;
      }
    }
    await out.write(new Uint8Array(sums.tail().buffer));
  }

  async restore(stored: Stored): Promise<Restored> {
    return this.#putBack(stored, await this.#open(stored));
  }

  async restoreUnion(first: Stored, second: Stored, recent: number): Promise<Restored | undefined> {
    const [a, b] = [await this.#open(first), await this.#open(second)];
    const windows = [this.#piece(1), this.#piece(2)] as const;
    const { sinks, joinedRows } = this.#plan;
    this.#numbers ??= new ArrayBuffer(joinedBytes(joinedRows));
    const joined = Joined.of(a, b, this.#shapes, {
      sinks,
      recent,
      rows: joinedRows,
      windows,
      numbers: this.#numbers,
    });
    return joined && this.#putBack(first, joined);
  }

  #open(stored: Stored): Promise<StoredReader> {
    return StoredReader.open({ ...stored, tag: this.#own(stored.tag) }, this.#shapes);
  }

  /** The tag of a state under the model's adapters. */
  #own([a, b, c, d]: Tag): Tag {
    return [a, b, c ^ (this.#plan.adapters ?? 0), d];
  }

  async #putBack({ name }: Stored, body: Body): Promise<Restored> {
    const state = this.#state;
    this.#piece(0);
    try {
      await state.restore(body.extents);
      for (const [stage, shape] of this.#shapes.entries()) {
        const bytes = sectionsOf(shape, body.extents[stage]).reduce((a, b) => a + b, 0);
        for (let left = bytes; left > 0;) {
          const count = await body.fill(stage, this.#piece(0));
          this.#pieces[0] = await state.write(stage, this.#piece(0), count);
          left -= count;
        }
      }
      return { ...body.standing, rows: await state.restored() };
    } catch (error) {
      await state.clear().catch(() => {});
      throw error instanceof StoreError && !(error instanceof LostError)
        ? new LostError(name, error.message, error)
        : error;
    }
  }

  #piece(i: number): Uint8Array<ArrayBuffer> {
    // a buffer that was lost on its way to a worker is made again
    if (!this.#pieces[i]?.length) this.#pieces[i] = new Uint8Array(this.#plan.pieceBytes);
    return this.#pieces[i];
  }
}
