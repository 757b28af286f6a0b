// What each end keeps of samples (lines of the data) that were sent: the activations that the
// receiver has, or, at a sender that waits until tokens move, those that it sent, unrounded. Both
// ends see the same frames in the same order, so that they keep, and forget, the same samples.
// Bytes are bounded: the samples that were not seen for longest are forgotten.
import { checksum, EMPTY_CHECKSUM } from '../../cache/checksum.ts';

/** Tokens of a micro-batch that are one sample, one behind the other. */
export interface Sample {
  /** A whole number below 2^31 that names it, epoch after epoch. */
  readonly id: number;
  readonly count: number;
}

/** Position in its sample of each token. */
export const positionsOf = (samples: readonly Sample[]): number[] =>
  samples.flatMap(({ count }) => Array.from({ length: count }, (_, i) => i));

export interface KnownRows {
  readonly base: Float32Array;
  readonly isKnown: readonly boolean[];
  readonly isAll: boolean;
}

/** States as they are stored: [id, rows, mark], the one not seen for longest first. */
export type SavedSamples = readonly (readonly [number, Float32Array, number])[];

interface Kept {
  readonly rows: Float32Array;
  /** Checksum of the frame that made it, never 0. */
  readonly mark: number;
}

/** Beside the numbers: what a map's entry costs, generously. */
const ENTRY_BYTES = 128;
const bytesOf = (rows: Float32Array) => rows.byteLength + ENTRY_BYTES;

/** Bytes of what is kept of a sample of `count` tokens. */
export const sampleBytes = (count: number, width: number): number =>
  count * width * 4 + ENTRY_BYTES;

export class SampleStates {
  readonly #kept = new Map<number, Kept>();
  readonly #width: number;
  readonly #mostBytes: number;
  #bytes = 0;
  /** Nothing was put since the beginning, or since all was forgotten: the other end must forget. */
  isFresh = true;

  constructor(width: number, mostBytes: number) {
    this.#width = width;
    this.#mostBytes = mostBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The rows of a sample as they were sent last; undefined where they are not known. */
  rowsOf({ id, count }: Sample): Float32Array | undefined {
    const rows = this.#kept.get(id)?.rows;
    return rows?.length === count * this.#width ? rows : undefined;
  }

  /** What is known of samples' tokens, as rows [T, D] with zeros for the others. */
  known(samples: readonly Sample[]): KnownRows {
    const T = samples.reduce((sum, { count }) => sum + count, 0);
    const base = new Float32Array(T * this.#width);
    const isKnown: boolean[] = [];
    for (const sample of samples) {
      const rows = this.rowsOf(sample);
      if (rows) base.set(rows, isKnown.length * this.#width);
      for (let i = 0; i < sample.count; i++) isKnown.push(rows !== undefined);
    }
    return { base, isKnown, isAll: isKnown.every(Boolean) };
  }

  /** Checksum of which samples are known, and by which frames; 0: none is. Two ends must agree. */
  digest(samples: readonly Sample[]): number {
    const marks = samples.map((sample) =>
      this.rowsOf(sample) ? this.#kept.get(sample.id)!.mark : 0,
    );
    if (marks.every((mark) => mark === 0)) return 0;
    const words = samples.flatMap(({ id, count }, i) => [id, count, marks[i]]);
    return checksum(EMPTY_CHECKSUM, Int32Array.from(words)) >>> 0 || 1;
  }

  /** Takes x [T, D] of these samples in, which the frame of this checksum made. */
  put(samples: readonly Sample[], x: Float32Array, checksum: number): void {
    const mark = checksum | 0 || 1;
    this.isFresh = false;
    let at = 0;
    for (const { id, count } of samples) {
      const rows = x.slice(at, (at += count * this.#width));
      this.#keep(id, { rows, mark });
    }
  }

  #keep(id: number, kept: Kept): void {
    const before = this.#kept.get(id);
    if (before) this.#drop(id, before);
    const bytes = bytesOf(kept.rows);
    if (bytes > this.#mostBytes) return;
    for (const [oldest, other] of this.#kept) {
      if (this.#bytes + bytes <= this.#mostBytes) break;
      this.#drop(oldest, other);
    }
    this.#kept.set(id, kept);
    this.#bytes += bytes;
  }

  save(): SavedSamples {
    return [...this.#kept].map(([id, { rows, mark }]) => [id, rows.slice(), mark]);
  }

  /** Takes the place of what is there. Bounds hold whatever was saved. */
  restore(saved: SavedSamples): void {
    this.forget();
    for (const [id, rows, mark] of saved) this.#keep(id, { rows: rows.slice(), mark });
    this.isFresh = saved.length === 0;
  }

  #drop(id: number, { rows }: Kept): void {
    this.#kept.delete(id);
    this.#bytes -= bytesOf(rows);
  }

  forget(): void {
    this.#kept.clear();
    this.#bytes = 0;
    this.isFresh = true;
  }
}
