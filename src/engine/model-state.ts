// The state of a conversation's layers, rows and what is fixed in size, as one.
import type { Backend } from '../backend/backend.ts';
import type { Cache } from '../backend/cache.ts';
import type { CacheShape } from '../backend/cache-shape.ts';
import { sectionsOf } from '../backend/extent.ts';
import { type FixedState, fixedStateBytes } from '../backend/fixed-state.ts';
import type { Extent, Mark, State } from '../backend/state.ts';
import { sum } from '../math/sum.ts';
import { MARKS } from './marks.ts';

/** Bytes that the state takes, by the shape of its rows. */
export const stateBytesOf = (backend: Backend, shape: CacheShape): number =>
  backend.cacheBytes(shape) + (shape.fixedBytes ? fixedStateBytes(shape.fixedBytes, MARKS) : 0);

export class ModelState implements State {
  readonly cache: Cache;
  readonly fixed: FixedState;
  /** Bytes of rows that are still to be taken out, or put back. */
  #left = 0;

  constructor(cache: Cache, fixed: FixedState) {
    this.cache = cache;
    this.fixed = fixed;
  }

  get bytes(): number {
    return this.cache.bytes + this.fixed.bytes;
  }

  get usedBytes(): number {
    return this.cache.usedBytes + this.fixed.bytes;
  }

  get peakBytes(): number {
    return this.cache.peakBytes + this.fixed.bytes;
  }

  mark(token: number, slot?: number): Mark {
    if (slot === undefined) throw new RangeError('a state of fixed size is marked in a slot');
    this.fixed.mark(slot);
    return { ...this.cache.mark(token), slot };
  }

  rewind(mark: Mark): Promise<number[]> {
    if (mark.slot === undefined)
      throw new RangeError('there is no copy of the state to go back to');
    this.fixed.rewind(mark.slot);
    return this.cache.rewind(mark);
  }

  /** Of rows only: what is fixed in size was worked on aside (FixedState.aside). */
  rewindLayer(layer: number, mark: Mark): void {
    this.cache.rewindLayer(layer, mark);
  }

  clear(): void {
    this.cache.clear();
    this.fixed.clear();
  }

  async save(): Promise<Extent> {
    const extent = await this.cache.save();
    this.#begin(extent);
    return extent;
  }

  async read(into: Uint8Array): Promise<void> {
    const rows = this.#rowsOf(into);
    if (rows.length > 0) await this.cache.read(rows);
    await this.fixed.read(into.subarray(rows.length));
  }

  restore(extent: Extent): void {
    this.cache.restore(extent);
    this.#begin(extent);
  }

  write(bytes: Uint8Array): void {
    const rows = this.#rowsOf(bytes);
    if (rows.length > 0) this.cache.write(rows);
    this.fixed.write(bytes.subarray(rows.length));
  }

  restored(): number[] {
    this.fixed.finish();
    return this.cache.restored();
  }

  dispose(): void {
    this.cache.dispose();
    this.fixed.dispose();
  }

  #begin(extent: Extent): void {
    this.fixed.begin();
    this.#left = sum(sectionsOf({ ...this.cache.shape, fixedBytes: undefined }, extent));
  }

  /** The part of the next bytes that is of rows. */
  #rowsOf(bytes: Uint8Array): Uint8Array {
    const rows = bytes.subarray(0, this.#left);
    this.#left -= rows.length;
    return rows;
  }
}
