// A cache's rows as bytes, taken out and put back piece by piece, so that a second copy of them
// never lies in memory. In order: for each layer and head its columns (cache.ts): keys | values |
// tokens i32 | state f32 | positions i32 of rows of few bits; then, where keys share grids
// (groups.ts), the grids that rows name, range by range in order of their numbers, and the keys and
// values f16 that rows name, in order of the rows. Rows are copied as they are: what they name has
// the same number in the cache that they are put back into. What is stored around these bytes, and
// what tells damage, is in stored.ts.
import { StoreError } from '../../errors.ts';
import { gridBytes } from '../dtype.ts';
import { makeRoomFor } from '../extent.ts';
import type { Extent } from '../state.ts';
import type { Address } from '../tensor.ts';
import type { CpuCache } from './cache.ts';
import { namedIn } from './named.ts';

/** A part of the bytes that lies in one place. */
interface Region {
  readonly address: Address;
  readonly bytes: number;
  /** The bytes were put back. */
  readonly done?: () => void;
}

/** Takes the rows of a cache out. They must stay as they are until all were taken. */
export class CacheReader {
  readonly extent: Extent;
  readonly #cache: CpuCache;
  readonly #regions: Region[];
  #region = 0;
  #at = 0; // in the region

  /** Rounds what may be rounded first. */
  constructor(cache: CpuCache) {
    this.#cache = cache;
    for (const groups of cache.groups) groups.settle();
    this.#regions = columnsOf(cache);
    const named = namedRegions(cache);
    for (const region of named.regions) this.#regions.push(region);
    const lengths = cache.heads.flatMap((heads) => heads.map((head) => head.length));
    const { gridChannels, slotChannels } = named;
    this.extent = { lengths, gridChannels, slotChannels };
  }

  /** Fills memory with the next bytes; gives how many there were. */
  read(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length && this.#region < this.#regions.length) {
      const { address, bytes } = this.#regions[this.#region];
      const count = Math.min(bytes - this.#at, into.length - filled);
      into.set(this.#cache.backend.bytes(address + this.#at, count), filled);
      filled += count;
      this.#at += count;
      if (this.#at < bytes) continue;
      this.#region++;
      this.#at = 0;
    }
    return filled;
  }
}

/**
 * Puts rows back into a cache, which forgets those it has. Throws StoreError for what does not fit;
 * clear it then.
 */
export class CacheWriter {
  readonly #cache: CpuCache;
  readonly #regions: Region[];
  #region = 0;
  #at = 0;

  constructor(cache: CpuCache, extent: Extent) {
    this.#cache = cache;
    makeRoomFor(cache, extent);
    this.#regions = columnsOf(cache);
    const done = () => {
      const { regions, gridChannels, slotChannels } = namedRegions(cache);
      if (gridChannels !== extent.gridChannels || slotChannels !== extent.slotChannels)
        throw new StoreError(
          `its rows name grids of ${gridChannels} channels and unrounded rows of ` +
            `${slotChannels}, it has ${extent.gridChannels} and ${extent.slotChannels}`,
        );
      for (const region of regions) this.#regions.push(region);
    };
    this.#regions.push({ address: 0, bytes: 0, done });
    this.#pass();
  }

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const region = this.#regions[this.#region];
      if (!region) throw new StoreError('it has more bytes than its rows take');
      const count = Math.min(region.bytes - this.#at, bytes.length - at);
      this.#cache.backend.write(region.address + this.#at, bytes.subarray(at, at + count));
      at += count;
      this.#at += count;
      this.#pass();
    }
  }

  /** All was put back. Throws StoreError where something is missing. */
  finish(): void {
    if (this.#region < this.#regions.length) throw new StoreError('it ends before its rows do');
  }

  /** Goes on to the region that the next byte belongs to. */
  #pass(): void {
    for (;;) {
      const region = this.#regions[this.#region];
      if (!region || this.#at < region.bytes) return;
      this.#region++;
      this.#at = 0;
      region.done?.();
    }
  }
}

/** The columns of every head. */
function columnsOf(cache: CpuCache): Region[] {
  return cache.heads.flatMap((heads, layer) =>
    heads.flatMap((head) =>
      cache
        .columnsOf(layer)
        .map(({ name, bytes }) => ({ address: head[name]!, bytes: bytes * head.length })),
    ),
  );
}

/** Grids, and then slots, that rows name. Throws StoreError where they are not there. */
function namedRegions({ groups }: CpuCache): Omit<Extent, 'lengths'> & { regions: Region[] } {
  const [grids, slots]: [Region[], Region[]] = [[], []];
  let [gridChannels, slotChannels] = [0, 0];
  for (const range of groups) {
    const { headDim: d, rowType } = range.shape;
    const named = namedIn(range);
    if (!named) throw new StoreError('its rows name grids or slots that are not there');
    gridChannels += named.grids.length * d;
    // (a slot has a key or a value, a row both)
    slotChannels += (named.slots.length >> 1) * d;
    for (const g of named.grids)
      grids.push({ address: range.gridAddress(g), bytes: gridBytes(rowType, d) });
    for (const s of named.slots) slots.push({ address: range.slotAddress(s), bytes: 2 * d });
  }
  return { regions: [...grids, ...slots], gridChannels, slotChannels };
}
