// Puts the same inputs into any backend's memory, remembers the guards around them, and reads
// results. It asks for nothing but the contract, so that a backend may be a device.
import type { Backend } from '../../src/backend/backend.ts';
import type { Cache, LayerRows } from '../../src/backend/cache.ts';
import { isGrouped, type RowType, weightRowBytes } from '../../src/backend/dtype.ts';
import type { WeightType } from '../../src/backend/dtype.ts';
import type { Address, Scores, Tensor, Weight } from '../../src/backend/tensor.ts';
import { drawnRows, encodeHeads, type GivenHead, readHeads, splitHeads } from './cached-rows.ts';
import { sum } from './case.ts';
import { createDrawn, type Drawn } from './drawn.ts';
import { Rooms } from './rooms.ts';
import { weightFile } from './weight-file.ts';

/** A layer's rows, and what they are. */
export interface CachedRows {
  readonly cache: Cache;
  readonly rows: LayerRows;
  readonly tokens: readonly (readonly number[])[];
}

/** Numbers of the tokens of a head, of so many rows. */
export type TokensOf = (length: number, head: number) => readonly number[];

export class Bench<B extends Backend = Backend> implements Drawn {
  /** What the case is run on. */
  readonly backend: B;
  /** The same, for inputs: who watches a case sees its operations only. */
  readonly #own: B;
  readonly #drawn: Drawn;
  readonly #rooms: Rooms;
  readonly #caches: { cache: Cache; before: Record<string, Uint8Array>[] }[] = [];

  /** `watched` is handed to the case in place of the backend. */
  constructor(backend: B, seed: number, watched = backend) {
    this.backend = watched;
    this.#own = backend;
    this.#drawn = createDrawn(seed);
    this.#rooms = new Rooms(backend);
  }

  numbers(count: number): Float32Array<ArrayBuffer> {
    return this.#drawn.numbers(count);
  }

  whole(below: number): number {
    return this.#drawn.whole(below);
  }

  /** A guarded region. */
  room(bytes: number): Address {
    return this.#rooms.work(bytes);
  }

  /** Numbers for operations to work on. */
  tensor(rows: number, columns: number, numbers = this.numbers(rows * columns)): Tensor {
    const tensor = this.empty(rows, columns);
    this.#own.write(tensor.address, numbers);
    return tensor;
  }

  empty(rows: number, columns: number): Tensor {
    return { address: this.room(rows * columns * 4), columns };
  }

  integers(numbers: readonly number[]): Address {
    const at = this.room(numbers.length * 4);
    this.#own.write(at, Int32Array.from(numbers));
    return at;
  }

  /** Numbers that belong to a model, such as a norm's. */
  vector(columns: number, numbers = this.numbers(columns)): Tensor {
    const address = this.#rooms.planned(columns * 4);
    this.#own.write(address, numbers);
    return { address, columns };
  }

  weight(type: WeightType, rows: number, columns: number, file?: Uint8Array): Weight {
    const bytes = this.#own.weightBytes(type, rows, columns);
    const weight = { address: this.#rooms.planned(bytes), type, rows, columns };
    const all = file ?? weightFile(this, type, rows, columns);
    const rowBytes = weightRowBytes(type, columns);
    for (let r = 0; r < rows; r += 4) {
      const count = Math.min(4, rows - r);
      this.#own.packRows(weight, r, count, all.slice(r * rowBytes, (r + count) * rowBytes));
    }
    return weight;
  }

  /** Heads of such lengths with rows of a type, states and tokens 0, 1, 2 .. unless said. */
  cached(
    lengths: readonly number[],
    d: number,
    type: RowType,
    tokensOf: TokensOf = (length) => Array.from({ length }, (_, i) => i),
    statesOf: TokensOf = (length) => new Array<number>(length).fill(0),
  ): CachedRows {
    const heads = lengths.map((length, h) => ({
      rows: drawnRows(length, d, type, h),
      tokens: tokensOf(length, h),
      states: statesOf(length, h),
    }));
    return this.put(heads, d, type);
  }

  /** Heads as they are given. One lies behind the other, so that what is beside them is looked at. */
  put(heads: readonly GivenHead[], d: number, type: RowType): CachedRows {
    const tokens = heads.map((head) => head.tokens);
    // some more where keys share grids: there are as many as there may be rows
    const rows = Math.ceil(sum(tokens.map((own) => own.length)) / heads.length);
    const kept = isGrouped(type) ? rows + 32 : rows;
    const shape = { kvHeads: heads.length, headDim: d, rowType: type, keptRows: [kept], room: 0 };
    const cache = this.#rooms.beside(() => this.#own.createCache(shape));
    const { extent, bytes } = encodeHeads(heads, type);
    cache.restore(extent);
    cache.write(bytes);
    cache.restored();
    this.#caches.push({ cache, before: splitHeads(cache.shape, extent, bytes) });
    return { cache, rows: cache.rows(0), tokens };
  }

  /** Scores of rows, but for the last `unseen` of each head: numbers head after head. */
  scores(
    { cache, tokens }: CachedRows,
    numbers: ArrayLike<number>,
    unseen = 0,
    out?: Address,
  ): Scores {
    const counts = tokens.map((own) => own.length - unseen);
    const first = counts.map((_, h) => sum(counts.slice(0, h)));
    // a device has a place for every row
    const to = out ?? this.room(4 * sum(tokens.map((own) => own.length)));
    return this.#own.rateTokens(
      to,
      cache.rows(0, unseen),
      (token, h) => numbers[first[h] + tokens[h].indexOf(token)],
    );
  }

  async floats({ address, columns }: Tensor, rows: number): Promise<number[]> {
    return [...(await this.backend.readFloats(address, rows * columns))];
  }

  /** Scores, and how many each head has. */
  async readScores(scores: Scores): Promise<number[]> {
    const heads = await this.backend.readScores(scores);
    return heads.flatMap((own) => [...own, own.length]);
  }

  /** States of all rows. */
  async readStates({ cache }: CachedRows): Promise<number[]> {
    const heads = await readHeads(cache);
    return heads.flatMap(({ state }) => [...new Float32Array(state.buffer)]);
  }

  /** Throws where something outside a region was written, or a row beside its state. */
  async check(): Promise<void> {
    await this.#rooms.check();
    for (const { cache, before } of this.#caches) {
      const after = await readHeads(cache);
      for (const [h, columns] of before.entries())
        for (const name of Object.keys(columns))
          if (name !== 'state' && columns[name].some((byte, i) => byte !== after[h][name][i]))
            throw new Error(`${name} of head ${h} of a cache were written`);
    }
  }

  /** Gives everything back. */
  dispose(): void {
    for (const { cache } of this.#caches.splice(0)) cache.dispose();
    this.#rooms.dispose();
  }
}
