// A cache on the device. Rows, and how many each head has, are there; here is what follows from
// what was asked for: bounds of the lengths, and what all heads have together (bounds.ts). What
// only the device can know (a head without room) it says by rejecting the next read (faults.ts).
import type { Selection } from '../backend.ts';
import type { Cache, HeadSteps, Place, TokenSpan, Turning } from '../cache.ts';
import { cacheRowBytes, type CacheShape } from '../cache-shape.ts';
import { StoreError } from '../../errors.ts';
import type { Extent, Mark } from '../state.ts';
import type { Address, QueriesKeysValues, Tensor } from '../tensor.ts';
import { appendRows, growHeads, type LayerPlace } from './append.ts';
import { RangeBounds } from './bounds.ts';
import {
  deviceCacheBytes,
  type HeadPlace,
  headsOf,
  type RangePlace,
  reserveParts,
} from './cache-parts.ts';
import { checkShare, compactRange, takeBack, turnRows } from './compact.ts';
import type { Heap } from './heap.ts';
import { heldRows, newestKeys } from './look-ups.ts';
import type { Recorder } from './recorder.ts';
import {
  type CachePart,
  type DeviceRows,
  type DeviceSelection,
  deviceSelection,
  headAddress,
  HEAD_WORDS,
  type RowBounds,
} from './rows.ts';
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
  readonly #ranges: readonly RangePlace[];
  readonly #bounds: readonly RangeBounds[];
  /** What kernels bind where there is no norm; and a place in the work buffer, for it to be there. */
  readonly #nothing: Address;
  readonly #work: Address;
  /** Number of the token behind the last one that was appended to each layer. */
  #next: number[];
  /** A number above those of all tokens of each layer. */
  #tokens: number[];
  #peak = 0;
  /** Counts what changes it, so that what was read before is not taken for what is. */
  #changes = 0;
  #isDisposed = false;
  #reader?: DeviceReader;
  #writer?: DeviceWriter;

  /** Reserves its buffers. Throws DeviceError where memory ends. */
  constructor(recorder: Recorder, heap: Heap, shape: CacheShape, bindingBytes: number) {
    this.shape = shape;
    this.bytes = deviceCacheBytes(shape);
    this.#recorder = recorder;
    this.#heap = heap;
    this.#ranges = reserveParts(heap, shape, bindingBytes);
    this.#bounds = this.#ranges.map((range) => new RangeBounds(range, shape.kvHeads));
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
    const [range, bounds, i] = this.#rangeOf(layer);
    const { kvHeads } = this.shape;
    return {
      ...this.#rowsOf(range),
      kvHeads,
      firstHead: range.firstHead + i * kvHeads,
      unseen,
      tokens: this.#tokens[layer],
      ...bounds.of(i),
    };
  }

  allRows(): DeviceRows {
    const [range] = this.#ranges;
    if (this.#ranges.length === 1) return { ...this.#rowsOf(range), ...this.#bounds[0].of() };
    const { part } = range;
    if (this.#ranges.some((other) => other.part !== part))
      throw new RangeError('layers lie in several buffers: their rows are no one list');
    const all = this.#bounds.map((bounds) => bounds.of());
    const sum = (of: 'fewest' | 'total') => all.reduce((total, own) => total + own[of], 0);
    return {
      ...this.#rowsOf({ ...range, rows: part.rows, heads: part.heads }),
      most: Math.max(...all.map(({ most }) => most)),
      fewest: sum('fewest'),
      total: sum('total'),
    };
  }

  get usedBytes(): number {
    return this.#used * cacheRowBytes(this.shape.headDim, this.shape.rowType);
  }

  get peakBytes(): number {
    return this.#peak * cacheRowBytes(this.shape.headDim, this.shape.rowType);
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
    const [, bounds, i] = this.#rangeOf(layer);
    const count = Math.max(0, this.#next[layer] - token);
    if (count === 0) return;
    const { most } = bounds.of(i);
    if (count > most) throw new RangeError(`${count} rows taken back where ${most} are`);
    growHeads(this.#recorder, this.#placeOf(layer), -count);
    bounds.grow(i, -count);
    this.#next[layer] -= count;
    this.#note();
  }

  async rewind({ token }: Mark): Promise<number[]> {
    for (const [i, range] of this.#ranges.entries()) {
      takeBack(this.#recorder, range, this.shape, token);
      this.#bounds[i].lose();
    }
    this.#next = this.#next.map((next) => Math.min(next, token));
    this.#note();
    return this.#count();
  }

  compact(layer: number, kept: Selection, turning?: Turning): void {
    if (this.shape.pooled) throw new RangeError('layers that share a range are compacted together');
    const selection = deviceSelection(kept);
    this.#checkShare(layer, selection, `layer ${layer}`);
    if (turning) turnRows(this.#recorder, this.#placeOf(layer), selection, turning);
    compactRange(this.#recorder, this.#ranges[layer], this.shape, selection);
    this.#bounds[layer].keep(selection.bounds);
    this.#note();
  }

  compactAll(kept: Selection, turning?: Turning): void {
    const selection = deviceSelection(kept);
    for (const i of this.#ranges.keys())
      this.#checkShare(i, selection, `range ${i}`, this.#ranges.length === 1);
    for (let layer = 0; layer < this.layers; layer++)
      if (turning) turnRows(this.#recorder, this.#placeOf(layer), selection, turning);
    for (const [i, range] of this.#ranges.entries()) {
      compactRange(this.#recorder, range, this.shape, selection);
      const own = this.#bounds[i].of();
      const { most, fewest, total } = selection.bounds;
      const isAll = this.#ranges.length === 1;
      this.#bounds[i].keep({
        most: Math.min(most, own.most),
        fewest: isAll ? fewest : 0,
        total: Math.min(total, own.total),
      });
    }
    this.#note();
  }

  clear(): void {
    for (const i of this.#ranges.keys()) this.#layOut(i, []);
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
    const places = this.#ranges.flatMap(({ heads }, i) =>
      this.#layOut(i, counts.slice(at, (at += heads))),
    );
    this.#tokens.fill(ANY_TOKEN); // until the next one comes
    this.#note();
    return places;
  }

  async tokens(layer: number): Promise<Int32Array[]> {
    const { part, firstHead, kvHeads, firstRow, capacity } = this.rows(layer);
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
    return { lengths: heads.map(({ length }) => length), grids: 0, slots: 0 };
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
    this.#writer = undefined;
    return this.#bounds.map(({ total }) => total);
  }

  /** Where each head is and how long, layer after layer. */
  async heads(): Promise<HeadPlace[]> {
    const places = this.#ranges.map(({ part, firstHead, heads }) => ({ part, firstHead, heads }));
    const words = await this.#recorder.readPieces(
      places.map(({ part, firstHead, heads }) => [
        headAddress(part, firstHead),
        4 * HEAD_WORDS * heads,
      ]),
    );
    const parts = places.flatMap(({ part, heads }) => new Array<CachePart>(heads).fill(part));
    return headsOf(words, parts.length).map((head, h) => ({ ...head, part: parts[h] }));
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    const parts = new Set(this.#ranges.map(({ part }) => part));
    for (const { keys, values, notes } of parts)
      for (const address of [keys, values, notes]) this.#heap.free(address);
    this.#heap.free(this.#nothing);
    this.#heap.free(this.#work);
  }
  get #used(): number {
    return this.#bounds.reduce((sum, { total }) => sum + total, 0);
  }

  /** Notes that something changed. */
  #note(): void {
    this.#changes++;
    this.#peak = Math.max(this.#peak, this.#used);
  }

  /** The range that a layer's heads lie in, and the number of the layer there. */
  #rangeOf(layer: number): [range: RangePlace, bounds: RangeBounds, i: number] {
    return this.shape.pooled
      ? [this.#ranges[0], this.#bounds[0], layer]
      : [this.#ranges[layer], this.#bounds[layer], 0];
  }

  /** A range's rows, whose bounds are still to be said. */
  #rowsOf({ part, firstHead, heads, first, rows }: RangePlace): Omit<DeviceRows, keyof RowBounds> {
    const { headDim, rowType } = this.shape;
    const place = { part, firstHead, firstRow: first, capacity: rows };
    const tokens = Math.max(...this.#tokens);
    return { kvHeads: heads, headDim, rowType, ...place, unseen: 0, tokens };
  }

  #placeOf(layer: number): LayerPlace {
    return { layer, rows: this.rows(layer), range: this.#rangeOf(layer)[0] };
  }

  #append(
    layer: number,
    qkv: Parameters<typeof appendRows>[2],
    T: number,
    place: Place,
    steps: HeadSteps,
  ): void {
    const [, bounds, i] = this.#rangeOf(layer);
    const room = bounds.roomOf(i);
    if (room < T)
      throw new RangeError(`layer ${layer}, head 0: ${T} rows appended where ${room} fit`);
    if (T > 0)
      appendRows(this.#recorder, this.#placeOf(layer), qkv, T, place, steps, this.#nothing);
    bounds.grow(i, T);
    this.#next[layer] = this.#tokens[layer] = place.token + T;
    this.#note();
  }

  /** Throws RangeError where more than a range's share is chosen; lets the device look, if unsure. */
  #checkShare(i: number, { bounds }: DeviceSelection, name: string, isAll = true): void {
    const { kept } = this.#ranges[i];
    if (isAll && bounds.fewest > kept)
      throw new RangeError(`${name} keeps ${bounds.fewest} rows, its share is ${kept}`);
    if (bounds.total > kept) checkShare(this.#recorder, this.#ranges[i], i);
  }

  /** Lays a range's heads out with the same room behind `counts` rows of each; 0 where left out. */
  #layOut(i: number, counts: readonly number[]): HeadPlace[] {
    const { part, first, rows, firstHead, heads } = this.#ranges[i];
    const lengths = Array.from({ length: heads }, (_, h) => counts[h] ?? 0);
    const total = lengths.reduce((a, b) => a + b, 0);
    if (total > rows) throw new RangeError(`${total} rows do not fit where ${rows} do`);
    const spare = Math.floor((rows - total) / heads);
    let next = first;
    const places = lengths.map((length) => {
      const start = next;
      next += length + spare;
      return { part, start, length };
    });
    const words = places.flatMap(({ start, length }) => [start, length, 0, 0]);
    this.#recorder.write(headAddress(part, firstHead), Uint32Array.from(words));
    this.#bounds[i].set(lengths);
    return places;
  }

  /** Rows of each range, once they were counted; from then on they are known. */
  async #count(): Promise<number[]> {
    const changes = this.#changes;
    const heads = await this.heads();
    let at = 0;
    return this.#ranges.map((range, i) => {
      const lengths = heads.slice(at, (at += range.heads)).map(({ length }) => length);
      if (changes === this.#changes) this.#bounds[i].set(lengths);
      return lengths.reduce((a, b) => a + b, 0);
    });
  }
}
