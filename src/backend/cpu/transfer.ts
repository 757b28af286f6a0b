// A cache's rows as bytes, taken out and put back piece by piece, so that a second copy of them
// never lies in memory. In order: for each layer and head its columns (cache.ts): keys | values |
// tokens i32 | state f32 | positions i32 of rows of few bits; then, where keys share grids
// (groups.ts), the grids, and the keys and values f16 of each slot: rows name them by number. What
// is stored around these bytes, and what tells damage, is in stored.ts.
import { StoreError } from '../../errors.ts';
import { gridBytes } from '../dtype.ts';
import type { Extent } from '../state.ts';
import type { Address } from '../tensor.ts';
import type { CpuCache } from './cache.ts';
import type { Groups } from './groups.ts';
import { numberRows, placeRows } from './numbering.ts';

/** A part of the bytes that lies in one place. */
interface Region {
  readonly address: Address;
  readonly bytes: number;
  /**
   * Makes rows that were copied out name grids and slots by number: bytes from `from` on of the
   * region.
   */
  readonly rename?: (copy: Uint8Array, from: number) => void;
  /** The bytes were put back. */
  readonly done?: () => void;
}

/** Takes the rows of a cache out. They must stay as they are until all were taken. */
export class CacheReader {
  readonly extent: Extent;
  readonly #cache: CpuCache;
  readonly #regions: Region[] = [];
  #region = 0;
  #at = 0; // in the region

  /** Rounds what may be rounded first. */
  constructor(cache: CpuCache) {
    this.#cache = cache;
    cache.settle();
    const { headDim: d, rowType } = cache.shape;
    const grids: Region[] = [];
    const slots: Region[] = [];
    for (const { length, columns, groups } of headsOf(cache)) {
      const numbering = groups && numberRows(groups[0], groups[1], grids.length, slots.length >> 1);
      for (const { name, address, bytes } of columns) {
        const side = name === 'keys' || name === 'values' ? name : undefined;
        const rename =
          numbering &&
          side &&
          ((copy: Uint8Array, from: number) => numbering.rename(side, copy, from));
        this.#regions.push({ address, bytes: bytes * length, rename });
      }
      if (!numbering) continue;
      for (const address of numbering.grids) grids.push({ address, bytes: gridBytes(rowType, d) });
      for (const s of numbering.slots)
        for (const address of slotOf(groups!, s)) slots.push({ address, bytes: 2 * d });
    }
    for (const list of [grids, slots]) for (const region of list) this.#regions.push(region);
    const lengths = cache.heads.flatMap((heads) => heads.map((head) => head.length));
    this.extent = { lengths, grids: grids.length, slots: slots.length >> 1 };
  }

  /** Fills memory with the next bytes; gives how many there were. */
  read(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length && this.#region < this.#regions.length) {
      const { address, bytes, rename } = this.#regions[this.#region];
      const count = Math.min(bytes - this.#at, into.length - filled);
      const copy = into.subarray(filled, filled + count);
      copy.set(this.#cache.backend.bytes(address + this.#at, count));
      rename?.(copy, this.#at);
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
  readonly #regions: Region[] = [];
  #region = 0;
  #at = 0;
  /** Grids and slots found in heads so far, and where they go. */
  readonly #grids: Region[] = [];
  readonly #slots: Region[] = [];

  constructor(cache: CpuCache, extent: Extent) {
    this.#cache = cache;
    cache.clear();
    const { lengths } = extent;
    const heads = cache.layers * cache.shape.kvHeads;
    if (lengths.length !== heads)
      throw new StoreError(`it has ${lengths.length} heads, this session ${heads}`);
    if (lengths.some((n) => !(n >= 0))) throw new StoreError('it has heads of negative length');
    try {
      cache.resize(lengths);
    } catch (error) {
      throw new StoreError(
        `it has more rows than this session holds (${(error as Error).message})`,
      );
    }
    let range: Groups | undefined;
    let free = 0; // grids of the range that are not taken
    for (const { length, columns, groups } of headsOf(cache)) {
      for (const { address, bytes } of columns)
        this.#regions.push({ address, bytes: bytes * length });
      if (!groups) continue;
      const done = () => {
        if (groups[0] !== range) free = 0;
        range = groups[0];
        free = this.#place(groups, free, extent);
      };
      this.#regions.push({ address: 0, bytes: 0, done });
    }
    const done = () => {
      if (this.#grids.length !== extent.grids || this.#slots.length >> 1 !== extent.slots)
        throw new StoreError(`its rows name ${this.#grids.length} grids, it has ${extent.grids}`);
      for (const list of [this.#grids, this.#slots])
        for (const region of list) this.#regions.push(region);
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

  /**
   * Gives the rows of a head their grids and slots; gives the range's first grid that is not taken.
   */
  #place(groups: readonly [Groups, number], free: number, { grids, slots }: Extent): number {
    const [range, i] = groups;
    const { headDim: d, rowType } = this.#cache.shape;
    const from = [this.#grids.length, this.#slots.length >> 1];
    const placed = placeRows(range, i, free, from[0], from[1]);
    if (!placed || from[0] + placed.grids > grids || from[1] + placed.slots > slots)
      throw new StoreError('its rows name grids or slots that are not there');
    for (let g = free; g < free + placed.grids; g++)
      this.#grids.push({ address: range.gridAddress(g), bytes: gridBytes(rowType, d) });
    for (let s = 0; s < placed.slots; s++)
      for (const address of slotOf(groups, s)) this.#slots.push({ address, bytes: 2 * d });
    return free + placed.grids;
  }
}

/** Where the key and the value of a slot lie. */
const slotOf = ([groups, i]: readonly [Groups, number], s: number): Address[] =>
  (['keys', 'values'] as const).map((side) => groups.slotAddress(i, s, side));

/** Every head with its columns. */
function* headsOf(cache: CpuCache) {
  for (const [layer, heads] of cache.heads.entries()) {
    for (const [h, head] of heads.entries()) {
      const columns = cache.columns.map(({ name, bytes }) => ({
        name,
        bytes,
        address: head[name]!,
      }));
      yield { length: head.length, columns, groups: cache.groupsOf(layer, h) };
    }
  }
}
