// Cached keys and values of every layer and kv head, in one region that never grows. Rows are appended, taken back and compacted in
// place; their order never changes. It knows no policy: it is told which rows to keep.
//
//   one pool of rows, four arrays of it:   keys [R, d] | values [R, d] | tokens i32 [R] | state f32 [R]
//   a layer owns a range of the pool, its heads follow one another inside, each with the same room behind it:
//
//   |<---------------------------- layer l: Hkv * (kept_l + room) rows ---------------------------->|
//   [ head 0: length rows | room ][ head 1: length rows | room ] ...
//
// After a compaction the heads of a layer are moved together again so that each has `room` rows behind it, whatever its length.
import type { Backend } from '../backend/backend.ts';
import { type RowType, rowTypes } from '../backend/dtype.ts';
import type { Address, HeadRows, Tensor } from '../backend/tensor.ts';

export interface CacheShape {
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rowType: RowType;
  /** Rows that each layer may hold per kv head after a compaction, on average over its heads. */
  readonly keptRows: readonly number[];
  /** Rows that may be appended to every head before the next compaction. */
  readonly room: number;
}

/** Bytes a row takes: key, value, token number, accumulated state. */
export function cacheRowBytes(headDim: number, type: RowType): number {
  return 2 * headDim * rowTypes[type].bytes + 4 + 4;
}

/** Rows of all layers and heads at the fullest. */
export function cacheRows(shape: CacheShape): number {
  return shape.keptRows.reduce((sum, kept) => sum + shape.kvHeads * (kept + shape.room), 0);
}

export class Cache {
  readonly shape: CacheShape;
  readonly backend: Backend;
  /** heads[layer][h]: where the rows lie now. */
  readonly heads: HeadRows[][];
  /** Bytes reserved. */
  readonly bytes: number;
  #region: Address;
  #keys: Address;
  #values: Address;
  #tokens: Address;
  #state: Address;
  #starts: number[][]; // first row of each head in the pool
  #layerStart: number[] = [];
  #rowBytes: number; // of a key, and of a value
  #used = 0;
  #peak = 0;

  /** Reserves the region. Throws DeviceError where memory ends. */
  constructor(backend: Backend, shape: CacheShape) {
    const rows = cacheRows(shape);
    this.shape = shape;
    this.backend = backend;
    this.#rowBytes = shape.headDim * rowTypes[shape.rowType].bytes;
    this.bytes = rows * cacheRowBytes(shape.headDim, shape.rowType);
    this.#region = backend.arena.allocate(this.bytes);
    this.#keys = this.#region;
    this.#values = this.#keys + rows * this.#rowBytes;
    this.#tokens = this.#values + rows * this.#rowBytes;
    this.#state = this.#tokens + rows * 4;
    let start = 0;
    this.#starts = [];
    this.heads = [];
    for (const kept of shape.keptRows) {
      this.#layerStart.push(start);
      const starts = Array.from({ length: shape.kvHeads }, (_, h) => start + h * (kept + shape.room));
      this.#starts.push(starts);
      this.heads.push(starts.map((s) => ({ ...this.#at(s), length: 0 })));
      start += shape.kvHeads * (kept + shape.room);
    }
  }

  get layers(): number {
    return this.heads.length;
  }

  /** Rows held now, all layers and heads. */
  get rows(): number {
    return this.#used;
  }

  /** Bytes of the rows held now. */
  get usedBytes(): number {
    return this.#used * cacheRowBytes(this.shape.headDim, this.shape.rowType);
  }

  /** Most bytes of rows ever held at once. */
  get peakBytes(): number {
    return this.#peak * cacheRowBytes(this.shape.headDim, this.shape.rowType);
  }

  #at(row: number): Omit<HeadRows, 'length'> {
    return {
      keys: this.#keys + row * this.#rowBytes,
      values: this.#values + row * this.#rowBytes,
      positions: this.#tokens + row * 4,
      state: this.#state + row * 4,
    };
  }

  #count(rows: number): void {
    this.#used += rows;
    if (this.#used > this.#peak) this.#peak = this.#used;
  }

  /** Rows that head h of a layer can still take. */
  roomOf(layer: number, h: number): number {
    const end = h + 1 < this.shape.kvHeads ? this.#starts[layer][h + 1] : this.#layerEnd(layer);
    return end - this.#starts[layer][h] - this.heads[layer][h].length;
  }

  #layerEnd(layer: number): number {
    return this.#layerStart[layer] + this.shape.kvHeads * (this.shape.keptRows[layer] + this.shape.room);
  }

  /** Appends k and v [T, Hkv * d] of tokens number `token` .. to every head of a layer. Throws RangeError past the room. */
  append(layer: number, k: Tensor, v: Tensor, T: number, token: number): void {
    const { headDim: d, rowType } = this.shape;
    for (let h = 0; h < this.shape.kvHeads; h++) {
      const head = this.heads[layer][h];
      if (this.roomOf(layer, h) < T) throw new RangeError(`layer ${layer}, head ${h}: ${T} rows appended where ${this.roomOf(layer, h)} fit`);
      this.backend.storeRows(head.keys + head.length * this.#rowBytes, k, h, T, d, rowType);
      this.backend.storeRows(head.values + head.length * this.#rowBytes, v, h, T, d, rowType);
      const tokens = this.backend.ints(head.positions + head.length * 4, T);
      for (let i = 0; i < T; i++) tokens[i] = token + i;
      this.backend.floats(head.state + head.length * 4, T).fill(0);
      head.length += T;
    }
    this.#count(this.shape.kvHeads * T);
  }

  /** Takes the last `count` rows of every head of a layer back. */
  truncate(layer: number, count: number): void {
    for (const head of this.heads[layer]) {
      if (count > head.length) throw new RangeError(`${count} rows taken back where ${head.length} are`);
      head.length -= count;
    }
    this.#count(-this.shape.kvHeads * count);
  }

  /** Takes back every row of token number `token` and later, of all layers. */
  truncateFrom(token: number): void {
    for (const heads of this.heads) {
      for (const head of heads) {
        const tokens = this.backend.ints(head.positions, head.length);
        let count = 0;
        while (count < head.length && tokens[head.length - 1 - count] >= token) count++;
        head.length -= count;
        this.#count(-count);
      }
    }
  }

  /**
   * Keeps the rows kept[h] (i32 at an address, ascending, `counts[h]` of them) of each head of a layer, in their order, and gives
   * every head its room again. Throws RangeError where more is kept than the layer's share.
   */
  compact(layer: number, kept: readonly Address[], counts: readonly number[]): void {
    const { kvHeads, keptRows } = this.shape;
    const total = counts.reduce((a, b) => a + b, 0);
    if (total > kvHeads * keptRows[layer]) throw new RangeError(`layer ${layer} keeps ${total} rows, its share is ${kvHeads * keptRows[layer]}`);
    for (let h = 0; h < kvHeads; h++) {
      const head = this.heads[layer][h];
      this.#count(counts[h] - head.length);
      if (counts[h] === head.length) continue;
      this.backend.compactRows(head.keys, kept[h], counts[h], this.#rowBytes);
      this.backend.compactRows(head.values, kept[h], counts[h], this.#rowBytes);
      this.backend.compactRows(head.positions, kept[h], counts[h], 4);
      this.backend.compactRows(head.state, kept[h], counts[h], 4);
      head.length = counts[h];
    }
    this.#moveHeads(layer, this.#spread(layer, counts));
  }

  /** First rows that give every head of a layer the same room behind its `counts[h]` rows. */
  #spread(layer: number, counts: readonly number[]): number[] {
    const { kvHeads, keptRows, room } = this.shape;
    const total = counts.reduce((a, b) => a + b, 0);
    const spare = Math.floor((kvHeads * (keptRows[layer] + room) - total) / kvHeads);
    let start = this.#layerStart[layer];
    return counts.map((count) => {
      const at = start;
      start += count + spare;
      return at;
    });
  }

  /**
   * Moves heads to new first rows. A head that moves right can only collide with the one behind it, a head that moves left with the one
   * before: so right-movers go from the last, left-movers from the first.
   */
  #moveHeads(layer: number, next: number[]): void {
    const starts = this.#starts[layer];
    const move = (h: number) => {
      const head = this.heads[layer][h];
      const to = this.#at(next[h]);
      this.#move(to.keys, head.keys, head.length * this.#rowBytes);
      this.#move(to.values, head.values, head.length * this.#rowBytes);
      this.#move(to.positions, head.positions, head.length * 4);
      this.#move(to.state, head.state, head.length * 4);
      Object.assign(head, to);
    };
    for (let h = starts.length - 1; h >= 0; h--) if (next[h] > starts[h]) move(h);
    for (let h = 0; h < starts.length; h++) if (next[h] < starts[h]) move(h);
    this.#starts[layer] = next;
  }

  #move(to: Address, from: Address, bytes: number): void {
    if (to !== from && bytes > 0) this.backend.moveBytes(to, from, bytes);
  }

  /** Forgets all rows. */
  clear(): void {
    const none = new Array<number>(this.shape.kvHeads).fill(0);
    for (let layer = 0; layer < this.layers; layer++) this.resize(layer, none);
  }

  /** Sets the length of every head, with rows to be written by the caller (a snapshot being read back). */
  resize(layer: number, counts: readonly number[]): void {
    const { kvHeads, keptRows, room } = this.shape;
    const total = counts.reduce((a, b) => a + b, 0);
    if (total > kvHeads * (keptRows[layer] + room)) throw new RangeError(`layer ${layer}: ${total} rows do not fit`);
    const starts = this.#spread(layer, counts);
    for (let h = 0; h < kvHeads; h++) {
      this.#count(counts[h] - this.heads[layer][h].length);
      Object.assign(this.heads[layer][h], this.#at(starts[h]), { length: counts[h] });
    }
    this.#starts[layer] = starts;
  }

  /** Gives the region back. */
  dispose(): void {
    if (this.#region === 0) return;
    this.backend.arena.free(this.#region);
    this.#region = 0;
  }
}
