// A range of a device's cache, a layer's rows or all layers': what is done to its heads together,
// and the bounds of their lengths that follow.
import type { HeadSteps, Place, Turning } from '../cache.ts';
import type { EvenShape } from '../cache-shape.ts';
import { appendRows, growHeads, type LayerPlace, type NewRows } from './append.ts';
import { RangeBounds } from './bounds.ts';
import type { HeadPlace, RangePlace } from './cache-parts.ts';
import { checkShare, compactRange, takeBack, turnRows } from './compact.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, type DeviceSelection, headAddress, type RowBounds } from './rows.ts';

export class DeviceRange {
  readonly place: RangePlace;
  readonly bounds: RangeBounds;
  readonly #recorder: Recorder;
  readonly #shape: EvenShape;
  /** Its first layer. */
  readonly #layer: number;

  constructor(recorder: Recorder, shape: EvenShape, place: RangePlace, layer: number) {
    this.place = place;
    this.bounds = new RangeBounds(place, shape.kvHeads);
    this.#recorder = recorder;
    this.#shape = shape;
    this.#layer = layer;
  }

  /** Rows of all its heads, whose tokens are below a number. */
  rows(tokens: number): DeviceRows {
    const { part, firstHead, heads, first, rows } = this.place;
    const { headDim, rowType } = this.#shape;
    return {
      ...{ kvHeads: heads, headDim, rowType },
      ...{ part, firstHead, firstRow: first, capacity: rows, unseen: 0, tokens },
      ...this.bounds.of(),
    };
  }

  /** Those of a layer, but for the last `unseen` of each head. */
  layerRows(layer: number, tokens: number, unseen = 0): DeviceRows {
    const { kvHeads } = this.#shape;
    const i = layer - this.#layer;
    const firstHead = this.place.firstHead + i * kvHeads;
    return { ...this.rows(tokens), kvHeads, firstHead, unseen, ...this.bounds.of(i) };
  }

  /** Throws RangeError where it is known here that a head has no room. */
  append(
    layer: number,
    made: NewRows,
    T: number,
    place: Place,
    steps: HeadSteps,
    nothing: number,
  ): void {
    const i = layer - this.#layer;
    const room = this.bounds.roomOf(i);
    if (room < T)
      throw new RangeError(`layer ${layer}, head 0: ${T} rows appended where ${room} fit`);
    if (T > 0) appendRows(this.#recorder, this.#at(layer), made, T, place, steps, nothing);
    this.bounds.grow(i, T);
  }

  /** Takes back the last rows of each of a layer's heads. */
  shorten(layer: number, count: number): void {
    const i = layer - this.#layer;
    const { most } = this.bounds.of(i);
    if (count > most) throw new RangeError(`${count} rows taken back where ${most} are`);
    if (count > 0) growHeads(this.#recorder, this.#at(layer), -count);
    this.bounds.grow(i, -count);
  }

  /** Takes back the rows of a token, and of those behind it. */
  takeBack(token: number): void {
    if (this.place.heads === 0) return;
    takeBack(this.#recorder, this.place, this.#shape, token);
    this.bounds.lose();
  }

  /**
   * Throws RangeError where more is chosen than may be kept; where only the device can tell, it
   * keeps all then, which is a fault. `isAll`: nothing but rows of this range was chosen from.
   */
  checkShare({ bounds }: DeviceSelection, number: number, name: string, isAll: boolean): void {
    const { kept } = this.place;
    if (isAll && bounds.fewest > kept)
      throw new RangeError(`${name} keeps ${bounds.fewest} rows, its share is ${kept}`);
    if (bounds.total > kept) checkShare(this.#recorder, this.place, number);
  }

  turn(layer: number, kept: DeviceSelection, turning: Turning): void {
    turnRows(this.#recorder, this.#at(layer), kept, turning);
  }

  /** Keeps what was chosen; `bounds`: so much of it is this range's. */
  compact(kept: DeviceSelection, bounds: RowBounds = kept.bounds): void {
    compactRange(this.#recorder, this.place, this.#shape, kept);
    this.bounds.keep(bounds);
  }

  /**
   * Lays heads out with the same room behind `counts` rows of each, 0 where left out. Throws
   * RangeError where they do not fit.
   */
  layOut(counts: readonly number[]): HeadPlace[] {
    const { part, first, rows, firstHead, heads } = this.place;
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
    if (heads > 0) this.#recorder.write(headAddress(part, firstHead), Uint32Array.from(words));
    this.bounds.set(lengths);
    return places;
  }

  #at(layer: number): LayerPlace {
    return { layer, rows: this.layerRows(layer, 0), range: this.place };
  }
}
