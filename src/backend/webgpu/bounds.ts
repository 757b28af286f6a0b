// How many rows the heads of a range have, as far as it follows from what was asked for: numbers
// only. What lies between the bounds, the device knows.
import type { RangePlace } from './cache-parts.ts';
import type { RowBounds } from './rows.ts';

/** Of a layer's heads: rows of each, at least and at most, and those that each can still take. */
interface LayerBounds {
  least: number;
  most: number;
  room: number;
}

export class RangeBounds {
  readonly #place: Pick<RangePlace, 'rows' | 'heads'>;
  readonly #kvHeads: number;
  readonly #layers: LayerBounds[];
  /** Rows of all heads together. */
  #fewest = 0;
  #total = 0;

  constructor(place: Pick<RangePlace, 'rows' | 'heads'>, kvHeads: number) {
    this.#place = place;
    this.#kvHeads = kvHeads;
    const layers = kvHeads > 0 ? place.heads / kvHeads : 0;
    this.#layers = Array.from({ length: layers }, () => ({
      least: 0,
      most: 0,
      room: 0,
    }));
    this.set(new Array<number>(place.heads).fill(0));
  }

  /** Rows of all heads, at most. */
  get total(): number {
    return this.#total;
  }

  /** Those of a layer, the range's i-th, or of all. */
  of(i?: number): RowBounds {
    if (i === undefined)
      return {
        most: Math.max(0, ...this.#layers.map(({ most }) => most)),
        fewest: this.#fewest,
        total: this.#total,
      };
    const { least, most } = this.#layers[i];
    const isAlone = this.#layers.length === 1;
    return {
      most,
      fewest: Math.max(isAlone ? this.#fewest : 0, this.#kvHeads * least),
      total: Math.min(this.#total, this.#kvHeads * most),
    };
  }

  /** Rows that every head of layer i has, and can take, at most. */
  leastOf(i: number): number {
    return this.#layers[i].least;
  }
  roomOf(i: number): number {
    return this.#layers[i].room;
  }

  /** Each head of layer i has `count` rows more, or fewer where it is negative. */
  grow(i: number, count: number): void {
    const layer = this.#layers[i];
    layer.least = Math.max(0, layer.least + count);
    layer.most += count;
    layer.room -= count;
    this.#fewest = Math.max(0, this.#fewest + this.#kvHeads * count);
    // (rows that went, nobody knows how many, are still in it: but there is no more room than this)
    this.#total = Math.min(this.#total + this.#kvHeads * count, this.#place.rows);
  }

  /** So much stays of all heads, which then get the same room. */
  keep({ most, fewest, total }: RowBounds): void {
    this.#fewest = fewest;
    this.#total = total;
    for (const layer of this.#layers)
      Object.assign(layer, { least: 0, most: Math.min(layer.most, most), room: this.#spare });
  }

  /** Some rows went, nobody knows how many. */
  lose(): void {
    this.keep({ ...this.of(), fewest: 0 });
  }

  /** Heads have so many rows, and the same room. */
  set(lengths: readonly number[]): void {
    this.#fewest = this.#total = lengths.reduce((a, b) => a + b, 0);
    for (const [i, layer] of this.#layers.entries()) {
      const own = lengths.slice(i * this.#kvHeads, (i + 1) * this.#kvHeads);
      Object.assign(layer, {
        least: Math.min(...own),
        most: Math.max(...own),
        room: this.#spare,
      });
    }
  }

  /** Room of each head once they were moved apart, at most. */
  get #spare(): number {
    return Math.floor((this.#place.rows - this.#fewest) / this.#place.heads);
  }
}
