// A cache on the device. Rows, and how many each head has, are there; here is what follows from
// what was asked for: bounds of the lengths, and what all heads have together (bounds.ts). What
// only the device can know (a head without room) it says by rejecting the next read (faults.ts).
import { StoreError } from '../../errors.ts';
import type { Selection } from '../backend.ts';
import type { Cache, HeadSteps, Place, TokenSpan, Turning } from '../cache.ts';
import { cacheRanges, type CacheShape, rowsBytes } from '../cache-shape.ts';
import type { Extent, Mark } from '../state.ts';
import type { Address, QueriesKeysValues, Tensor } from '../tensor.ts';
import type { NewRows } from './append.ts';
import { deviceCacheBytes, type HeadPlace, headsOf, reserveParts } from './cache-parts.ts';
import type { Heap } from './heap.ts';
import { heldRows, newestKeys } from './look-ups.ts';
import { DeviceRange } from './range.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, deviceSelection, headAddress, HEAD_WORDS } from './rows.ts';
import { DeviceReader, DeviceWriter } from './transfer.ts';

/** Rows that are appended as they are. */
const AS_THEY_ARE: HeadSteps = { queryHeads: 0, normEps: 0 };
/** More than any token's number. */
const ANY_TOKEN = 2 ** 31;

export class DeviceCache implements Cache {
  readonly shape: CacheShape;
  readonly bytes: number;
  readonly #recorder: Recorder;
  readonly #heap: Heap;
  readonly #ranges: readonly DeviceRange[];
  /** What kernels bind where there is no norm; a place in the work buffer, for it to be there. */
  readonly #nothing: Address;
  readonly #work: Address;
  /** Number of the token behind the last one that was appended to each layer. */
  readonly #next: number[];
  /** A number above those of all tokens of each layer. */
  readonly #tokens: number[];
  #peakBytes = 0;
  /** Counts what changes it, so that what was read before is not taken for what is. */
  #changes = 0;
  #isDisposed = false;
  #reader?: DeviceReader;
  #writer?: DeviceWriter;

  /**
   * Reserves its buffers, none larger than `limitBytes`. Throws DeviceError where memory ends.
   */
  constructor(recorder: Recorder, heap: Heap, shape: CacheShape, limitBytes: number) {
    this.shape = shape;
    this.bytes = deviceCacheBytes(shape);
    this.#recorder = recorder;
    this.#heap = heap;
    const ranges = cacheRanges(shape);
    this.#ranges = reserveParts(heap, shape, limitBytes).map(
      (place, i) => new DeviceRange(recorder, ranges[i].shape, place, i),
    );
    this.#nothing = heap.plan(16);
    this.#work = heap.allocate(64);
    this.#next = shape.keptRows.map(() => 0);
    this.#tokens = [...this.#next];
    this.clear();
  }

  get layers(): number {
    return this.shape.keptRows.length;
  }

  rows(layer: number, unseen = 0): DeviceRows {
    return this.#rangeOf(layer).layerRows(layer, this.#tokens[layer], unseen);
  }

  allRows(): DeviceRows {
    const all = this.#ranges.map((range) => range.rows(Math.max(...this.#tokens)));
    const [first, ...others] = all;
    if (others.length === 0) return first;
    const { part } = first;
    if (others.some((rows) => rows.part !== part))
      throw new RangeError('layers lie in several buffers: their rows are no one list');
    const sum = (of: 'fewest' | 'total') => all.reduce((total, rows) => total + rows[of], 0);
    return {
      ...{ ...first, kvHeads: part.heads, capacity: part.rows },
      ...{ most: Math.max(...all.map(({ most }) => most)), fewest: sum('fewest') },
      total: sum('total'),
    };
  }

  /** Of the rows that there are at most. */
  get usedBytes(): number {
    const rows = this.#ranges.map(({ bounds }) => bounds.total);
    return rowsBytes(this.shape, rows);
  }

  get peakBytes(): number {
    return this.#peakBytes;
  }

  append(layer: number, k: Tensor, v: Tensor, T: number, token: number, position = token): void {
    this.#append(layer, { k, v }, T, { token, position }, AS_THEY_ARE);
  }

  appendTurned(
    layer: number,
    qkv: QueriesKeysValues,
    T: number,
    place: Place,
    steps: HeadSteps,
  ): void {
    this.#append(layer, qkv, T, place, steps);
  }

  /** Rows know their tokens: nothing has to be kept beside them. */
  mark(token: number): Mark {
    return { token };
  }

  rewindLayer(layer: number, { token }: Mark): void {
    const count = Math.max(0, this.#next[layer] - token);
    this.#rangeOf(layer).shorten(layer, count);
    this.#next[layer] -= count;
    this.#tokens[layer] = Math.min(this.#tokens[layer], token);
    this.#note();
  }

  /** Rows of each range are counted; from then on they are known. */
  async rewind({ token }: Mark): Promise<number[]> {
    for (const range of this.#ranges) range.takeBack(token);
    for (const [layer, next] of this.#next.entries()) this.#next[layer] = Math.min(next, token);
    this.#note();
    const changes = this.#changes;
    const heads = await this.heads();
    let at = 0;
    return this.#ranges.map(({ place, bounds }) => {
      const lengths = heads.slice(at, (at += place.heads)).map(({ length }) => length);
      if (changes === this.#changes) bounds.set(lengths);
      return lengths.reduce((a, b) => a + b, 0);
    });
  }

  compact(layer: number, kept: Selection, turning?: Turning): void {
    if (this.shape.pooled) throw new RangeError('layers that share a range are compacted together');
    const selection = deviceSelection(kept);
    const range = this.#ranges[layer];
    range.checkShare(selection, layer, `layer ${layer}`, true);
    if (turning) range.turn(layer, selection, turning);
    range.compact(selection);
    this.#note();
  }

  compactAll(kept: Selection, turning?: Turning): void {
    const selection = deviceSelection(kept);
    const isAll = this.#ranges.length === 1;
    for (const [i, range] of this.#ranges.entries())
      range.checkShare(selection, i, `range ${i}`, isAll);
    if (turning)
      for (let layer = 0; layer < this.layers; layer++)
        this.#rangeOf(layer).turn(layer, selection, turning);
    const { most, fewest, total } = selection.bounds;
    for (const range of this.#ranges) {
      const own = range.bounds.of();
      range.compact(selection, {
        most: Math.min(most, own.most),
        fewest: isAll ? fewest : 0,
        total: Math.min(total, own.total),
      });
    }
    this.#note();
  }

  clear(): void {
    for (const range of this.#ranges) range.layOut([]);
    this.#next.fill(0);
    this.#tokens.fill(0);
    this.#note();
  }

  /**
   * Sets the length of every head, layer after layer, with rows to be written by the caller (a
   * snapshot being read back), and says where they are. Throws RangeError where they do not fit.
   */
  resize(counts: readonly number[]): HeadPlace[] {
    let at = 0;
    const places = this.#ranges.flatMap((range) =>
      range.layOut(counts.slice(at, (at += range.place.heads))),
    );
    this.#tokens.fill(ANY_TOKEN); // until all were put back
    this.#note();
    return places;
  }

  async tokens(layer: number): Promise<Int32Array[]> {
    const { part, firstHead, kvHeads, firstRow, capacity } = this.rows(layer);
    if (kvHeads === 0) return [];
    const heads = 4 * HEAD_WORDS * kvHeads;
    const words = await this.#recorder.readPieces([
      [headAddress(part, firstHead), heads],
      [part.notes + 4 * firstRow, 4 * capacity],
    ]);
    const tokens = new Int32Array(words, heads);
    return headsOf(words, kvHeads).map(({ start, length }) =>
      tokens.slice(start - firstRow, start - firstRow + length),
    );
  }

  held(spans: readonly TokenSpan[], layers: readonly number[]): Promise<number[]> {
    const rows = layers.map((layer) => this.rows(layer));
    return heldRows(this.#recorder, this.#heap, spans, rows);
  }

  newestKeys(layer: number, head: number, count: number): Promise<Float32Array> {
    return newestKeys(this.#recorder, this.#heap, this.rows(layer), head, count);
  }

  async save(): Promise<Extent> {
    const heads = await this.heads();
    this.#reader = new DeviceReader(this.#recorder, this.shape, heads);
    return { lengths: heads.map(({ length }) => length), gridChannels: 0, slotChannels: 0 };
  }

  async read(into: Uint8Array): Promise<void> {
    await this.#reader!.read(into);
  }

  restore(extent: Extent): void {
    this.#writer = new DeviceWriter(this.#recorder, this, extent);
  }

  write(bytes: Uint8Array): void {
    if (!this.#writer) throw new StoreError('rows are put back where nothing was begun');
    this.#writer.write(bytes);
  }

  restored(): number[] {
    this.#writer?.finish();
    if (this.#writer) this.#tokens.fill(this.#writer.tokens);
    this.#writer = undefined;
    return this.#ranges.map(({ bounds }) => bounds.total);
  }

  /** Where each head is and how long, layer after layer. */
  async heads(): Promise<HeadPlace[]> {
    const parts = this.#ranges.flatMap(({ place }) =>
      new Array<HeadPlace['part']>(place.heads).fill(place.part),
    );
    const words = await this.#recorder.readPieces(
      this.#ranges.map(({ place: { part, firstHead, heads } }) => [
        headAddress(part, firstHead),
        4 * HEAD_WORDS * heads,
      ]),
    );
    return headsOf(words, parts.length).map((head, h) => ({ ...head, part: parts[h] }));
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    const parts = new Set(this.#ranges.map(({ place }) => place.part));
    for (const { keys, values, notes } of parts)
      for (const address of [keys, values, notes]) this.#heap.free(address);
    this.#heap.free(this.#nothing);
    this.#heap.free(this.#work);
  }

  /** Notes that something changed. */
  #note(): void {
    this.#changes++;
    this.#peakBytes = Math.max(this.#peakBytes, this.usedBytes);
  }

  #rangeOf(layer: number): DeviceRange {
    return this.#ranges[this.shape.pooled ? 0 : layer];
  }

  #append(layer: number, made: NewRows, T: number, place: Place, steps: HeadSteps): void {
    this.#rangeOf(layer).append(layer, made, T, place, steps, this.#nothing);
    this.#next[layer] = this.#tokens[layer] = place.token + T;
    this.#note();
  }
}
