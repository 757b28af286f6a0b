// A cache in a memory that this thread sees: it knows how long each head is, and moves rows itself.
//
//   a pool of rows for each range (cache-shape.ts), arrays of it:
//     keys [R, d] | values [R, d] | tokens i32 [R] | state f32 [R]
//     | positions i32 [R] (rows of few bits only)
//
// After a compaction the heads of a range are moved together again so that each has `room` rows
// behind it, whatever its length. Rows of some types have a part that lies apart (groups.ts).
import type { Selection } from '../backend.ts';
import type { Cache, HeadSteps, LayerRows, Place, TokenSpan, Turning } from '../cache.ts';
import {
  cacheColumns,
  type CacheRange,
  type CacheShape,
  cacheRanges,
  headCount,
  layerShape,
  layerShapes,
} from '../cache-shape.ts';
import type { Extent, Mark } from '../state.ts';
import type { Address, QueriesKeysValues, Tensor } from '../tensor.ts';
import { StoreError } from '../../errors.ts';
import { lowerBound } from '../../math/lower-bound.ts';
import { sum } from '../../math/sum.ts';
import { rangeBytes, scratchBytes } from '../group-sizes.ts';
import { appendRows, takeSteps } from './append.ts';
import { asideBytes, cacheBytes } from './bytes.ts';
import { Groups } from './groups.ts';
import { type CpuBackend, type CpuRows, cpuSelection, type HeadRows } from './memory.ts';
import { NOWHERE, Range } from './range.ts';
import { CacheReader, CacheWriter } from './transfer.ts';
import { turnRows } from './turn.ts';

export class CpuCache implements Cache {
  readonly shape: CacheShape;
  readonly backend: CpuBackend;
  /** heads[layer][h]: where the rows lie now. */
  readonly heads: HeadRows[][];
  /** Bytes reserved. */
  readonly bytes: number;
  #region: Address;
  #ranges: Range[];
  #aside: number; // bytes
  /** Of the rows held now, and at most so far. */
  #usedBytes = 0;
  #peakBytes = 0;
  /** Number of the token behind the last one that was appended to each layer. */
  #next: number[];
  #layers: CpuRows[];
  #all: CpuRows;
  #reader?: CacheReader;
  #writer?: CacheWriter;

  /** Reserves the region. Throws DeviceError where memory ends. */
  constructor(backend: CpuBackend, shape: CacheShape) {
    this.#next = shape.keptRows.map(() => 0);
    this.shape = shape;
    this.backend = backend;
    this.bytes = cacheBytes(shape);
    this.#aside = asideBytes(shape);
    this.#region = backend.arena.allocate(this.bytes);
    this.heads = layerShapes(shape).map(({ kvHeads }) =>
      Array.from({ length: kvHeads }, (): HeadRows => ({ ...NOWHERE })),
    );
    const rowsOf = (heads: HeadRows[], layer: number): CpuRows => {
      const { headDim } = layerShape(shape, layer);
      return { kvHeads: heads.length, headDim, rowType: shape.rowType, heads };
    };
    this.#layers = this.heads.map(rowsOf);
    let address = this.#region;
    const scratch = address + this.bytes - scratchBytes(shape);
    const ranges = cacheRanges(shape);
    this.#all = { ...rowsOf(this.heads.flat(), 0), headDim: ranges[0]?.shape.headDim ?? 0 };
    this.#ranges = ranges.map((range) => {
      const placed = this.#place(range, address, scratch);
      address = placed.end;
      return placed.range;
    });
    this.clear();
  }

  /** Lays a range out from an address on: its columns, then what rows have beside them. */
  #place(
    { layer, shape, kept, rows, heads: count }: CacheRange,
    address: Address,
    scratch: Address,
  ): { range: Range; end: Address } {
    const heads = shape.pooled ? this.#all.heads : this.heads[layer];
    let end = address;
    const columns = cacheColumns(shape.headDim, shape.rowType).map(([name, bytes]) => {
      const column = { name, bytes, address: end };
      end += rows * bytes;
      return column;
    });
    if (this.#aside === 0)
      return { range: new Range(this.backend, columns, heads, kept, rows), end };
    const groups = new Groups(this.backend, shape, heads, rows, end, scratch);
    end += rangeBytes(shape, rows, count);
    return { range: new Range(this.backend, columns, heads, kept, rows, groups), end };
  }

  get layers(): number {
    return this.heads.length;
  }

  rows(layer: number, unseen = 0): LayerRows {
    const rows = this.#layers[layer];
    if (unseen === 0) return rows;
    const heads = rows.heads.map((head) => ({ ...head, length: head.length - unseen }));
    const seen: CpuRows = { ...rows, heads };
    return seen;
  }

  allRows(): LayerRows {
    return this.#all;
  }

  /** Rows that each range holds now: a layer's, or all where layers share one. */
  get rangeRows(): number[] {
    return this.#ranges.map(({ rows }) => rows);
  }

  /** Rows held now, all layers and heads. */
  get rowCount(): number {
    return sum(this.rangeRows);
  }

  /** Bytes of the rows held now, and of what is reserved beside them. */
  get usedBytes(): number {
    return this.#usedBytes + this.#aside;
  }

  get peakBytes(): number {
    return this.#peakBytes + this.#aside;
  }

  /**
   * Grids and slots of the range that head h of a layer lies in, and its number there; undefined
   * where rows stand alone.
   */
  groupsOf(layer: number, h: number): [groups: Groups, i: number] | undefined {
    const [{ groups }, place] = this.#rangeOf(layer);
    return groups && [groups, place + h];
  }

  /** Grids and slots of every range, where rows do not stand alone. */
  get groups(): readonly Groups[] {
    return this.#ranges.flatMap(({ groups }) => groups ?? []);
  }

  /** Columns of a layer's rows. */
  columnsOf(layer: number): Range['columns'] {
    return this.#rangeOf(layer)[0].columns;
  }

  /** Notes how many bytes the rows take that are there now. */
  #count(): void {
    this.#usedBytes = this.#ranges.reduce((bytes, range) => bytes + range.bytes, 0);
    if (this.#usedBytes > this.#peakBytes) this.#peakBytes = this.#usedBytes;
  }

  /** The range that a layer's heads lie in, and the place of its head 0 among them. */
  #rangeOf(layer: number): [range: Range, place: number] {
    if (!this.shape.pooled) return [this.#ranges[layer], 0];
    const before = this.heads.slice(0, layer);
    return [this.#ranges[0], before.reduce((sum, { length }) => sum + length, 0)];
  }

  /** Rows that head h of a layer can still take. */
  roomOf(layer: number, h: number): number {
    const [range, place] = this.#rangeOf(layer);
    return range.roomOf(place + h);
  }

  append(layer: number, k: Tensor, v: Tensor, T: number, token: number, position = token): void {
    appendRows(this, layer, k, v, T, { token, position });
    this.#next[layer] = token + T;
    this.#count();
  }

  appendTurned(
    layer: number,
    qkv: QueriesKeysValues,
    T: number,
    { token, position }: Place,
    steps: HeadSteps,
  ): void {
    takeSteps(this.backend, layerShape(this.shape, layer), qkv, T, steps);
    this.append(layer, qkv.k, qkv.v, T, token, position);
  }

  /** Rows know their tokens: nothing has to be kept beside them. */
  mark(token: number): Mark {
    return { token };
  }

  rewindLayer(layer: number, { token }: Mark): void {
    const count = Math.max(0, this.#next[layer] - token);
    for (const head of this.heads[layer]) {
      if (count > head.length)
        throw new RangeError(`${count} rows taken back where ${head.length} are`);
      head.length -= count;
    }
    this.#next[layer] -= count;
    this.#count();
  }

  async rewind({ token }: Mark): Promise<number[]> {
    for (const range of this.#ranges) range.takeBack(token);
    this.#next = this.#next.map((next) => Math.min(next, token));
    this.#count();
    return this.rangeRows;
  }

  compact(layer: number, kept: Selection, turning?: Turning): void {
    if (this.shape.pooled) throw new RangeError('layers that share a range are compacted together');
    const heads = cpuSelection(kept);
    if (turning) turnRows(this, layer, heads, turning);
    this.#ranges[layer].compact(heads, `layer ${layer}`);
    this.#count();
  }

  compactAll(kept: Selection, turning?: Turning): void {
    const heads = cpuSelection(kept);
    let at = 0;
    if (turning)
      for (const [l, { length }] of this.heads.entries())
        turnRows(this, l, heads.slice(at, (at += length)), turning);
    at = 0;
    for (const [i, range] of this.#ranges.entries())
      range.compact(heads.slice(at, (at += range.heads.length)), `range ${i}`);
    this.#count();
  }

  clear(): void {
    this.resize(new Array<number>(headCount(this.shape)).fill(0));
  }

  /**
   * Sets the length of every head, layer after layer, with rows to be written by the caller (a
   * snapshot being read back). Throws RangeError where they do not fit.
   */
  resize(counts: readonly number[]): void {
    let at = 0;
    for (const range of this.#ranges) range.resize(counts.slice(at, (at += range.heads.length)));
    this.#count();
  }

  async tokens(layer: number): Promise<Int32Array[]> {
    return this.heads[layer].map(({ tokens, length }) => this.backend.ints(tokens, length).slice());
  }

  async held(spans: readonly TokenSpan[], layers: readonly number[]): Promise<number[]> {
    const counts = new Array<number>(spans.length).fill(0);
    for (const head of layers.flatMap((layer) => this.heads[layer])) {
      const tokens = this.backend.ints(head.tokens, head.length);
      spans.forEach(([begin, end], i) => {
        counts[i] += lowerBound(tokens, end) - lowerBound(tokens, begin);
      });
    }
    return counts;
  }

  async newestKeys(layer: number, head: number, count: number): Promise<Float32Array> {
    const { headDim: d } = layerShape(this.shape, layer);
    const { keys, length } = this.heads[layer][head];
    return this.backend.floats(keys + (length - count) * d * 4, count * d).slice();
  }

  async save(): Promise<Extent> {
    this.#reader = new CacheReader(this);
    return this.#reader.extent;
  }

  async read(into: Uint8Array): Promise<void> {
    this.#reader!.read(into);
  }

  restore(extent: Extent): void {
    this.#writer = new CacheWriter(this, extent);
  }

  write(bytes: Uint8Array): void {
    if (!this.#writer) throw new StoreError('rows are put back where nothing was begun');
    this.#writer.write(bytes);
  }

  restored(): number[] {
    this.#writer?.finish();
    this.#writer = undefined;
    return this.rangeRows;
  }

  dispose(): void {
    if (this.#region === 0) return;
    this.backend.arena.free(this.#region);
    this.#region = 0;
  }
}
