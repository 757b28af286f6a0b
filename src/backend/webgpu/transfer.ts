// A device cache's rows as bytes, in the order of cpu/transfer.ts: a state that was taken out of
// one memory is put back into another. For each layer and head its columns.
import { StoreError } from '../../errors.ts';
import { cacheColumns, type CacheShape, headDims } from '../cache-shape.ts';
import { makeRoomFor } from '../extent.ts';
import type { Extent } from '../state.ts';
import type { Address } from '../tensor.ts';
import type { DeviceCache } from './cache.ts';
import type { HeadPlace } from './cache-parts.ts';
import type { Recorder } from './recorder.ts';
import { headAddress } from './rows.ts';

/** Bytes that lie in one place, whole words; whether they are numbers of tokens. */
type Region = readonly [address: Address, bytes: number, areTokens: boolean];

/** The columns of every head. */
function regionsOf(shape: CacheShape, heads: readonly HeadPlace[]): Region[] {
  const dims = headDims(shape);
  return heads.flatMap(({ part, start, length }, h) => {
    const first = {
      keys: part.keys,
      values: part.values,
      tokens: part.notes,
      state: part.notes + 4 * part.rows,
      positions: headAddress(part, part.heads),
    };
    return cacheColumns(dims[h], shape.rowType)
      .map(([name, bytes]): Region => [
        first[name] + start * bytes,
        length * bytes,
        name === 'tokens',
      ])
      .filter(([, bytes]) => bytes > 0);
  });
}

/** Goes through regions piece by piece, each of whole words. */
class Walk {
  readonly #regions: readonly Region[];
  #region = 0;
  #at = 0; // in the region
  /** Bytes that are still to come. */
  left: number;

  constructor(regions: readonly Region[]) {
    this.#regions = regions;
    this.left = regions.reduce((sum, [, bytes]) => sum + bytes, 0);
  }

  /** Where the next `bytes` lie. */
  take(bytes: number): Region[] {
    const pieces: Region[] = [];
    let wanted = Math.min(bytes, this.left);
    this.left -= wanted;
    while (wanted > 0) {
      const [address, whole, areTokens] = this.#regions[this.#region];
      const count = Math.min(whole - this.#at, wanted);
      pieces.push([address + this.#at, count, areTokens]);
      wanted -= count;
      this.#at += count;
      if (this.#at < whole) continue;
      this.#region++;
      this.#at = 0;
    }
    return pieces;
  }
}

const NONE = new Uint8Array(0);
const wholeWords = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/** Takes the rows of a cache out. They must stay as they are until all were taken. */
export class DeviceReader {
  readonly #recorder: Recorder;
  readonly #walk: Walk;
  /** Bytes of the last word that were not asked for yet. */
  #rest: Uint8Array = NONE;

  constructor(recorder: Recorder, shape: CacheShape, heads: readonly HeadPlace[]) {
    this.#recorder = recorder;
    this.#walk = new Walk(regionsOf(shape, heads));
  }

  /** Fills memory with the next bytes. */
  async read(into: Uint8Array): Promise<void> {
    const begun = Math.min(this.#rest.length, into.length);
    into.set(this.#rest.subarray(0, begun));
    this.#rest = this.#rest.subarray(begun);
    const pieces = this.#walk.take(wholeWords(into.length - begun));
    const bytes = new Uint8Array(
      await this.#recorder.readPieces(pieces.map(([at, count]) => [at, count])),
    );
    into.set(bytes.subarray(0, into.length - begun), begun);
    if (bytes.length > 0) this.#rest = bytes.subarray(into.length - begun);
  }
}

/** Puts rows back into a cache, which forgets its own. Throws StoreError for what does not fit. */
export class DeviceWriter {
  readonly #recorder: Recorder;
  readonly #walk: Walk;
  /** Bytes that are no whole word yet. */
  #rest: Uint8Array = NONE;
  /** A number above those of all tokens that came. */
  tokens = 0;

  constructor(recorder: Recorder, cache: DeviceCache, extent: Extent) {
    this.#recorder = recorder;
    this.#walk = new Walk(regionsOf(cache.shape, makeRoomFor(cache, extent)));
  }

  write(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    if (all.length > this.#walk.left) throw new StoreError('it has more bytes than its rows take');
    const whole = all.length - (all.length % 4);
    let at = 0;
    for (const [address, count, areTokens] of this.#walk.take(whole)) {
      if (areTokens)
        for (const token of new Int32Array(all.buffer, at, count / 4))
          this.tokens = Math.max(this.tokens, token + 1);
      this.#recorder.write(address, all.subarray(at, (at += count)));
    }
    this.#rest = all.subarray(whole);
  }

  /** All was put back. Throws StoreError where something is missing. */
  finish(): void {
    if (this.#walk.left > 0) throw new StoreError('it ends before its rows do');
  }
}
