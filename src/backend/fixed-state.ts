// What layers keep of the tokens before whose size is fixed: recurrent states, and the last inputs
// of convolutions. It can be cut behind no token, so copies of it are marked and put back; all of
// them are reserved when it is made.
//
//   f32:  [layer 0 | layer 1 | ..] | the same, once a slot of a mark | one layer's, to be forgotten
import { StoreError } from '../errors.ts';
import { sum } from '../math/sum.ts';
import type { Backend } from './backend.ts';
import type { Address } from './tensor.ts';

/** Bytes that are cleared at a time. */
const ZEROS = new Uint8Array(1 << 16);

/** Bytes that it reserves, for so many marks. */
export const fixedStateBytes = (layerBytes: readonly number[], marks: number): number =>
  (1 + marks) * sum(layerBytes) + Math.max(0, ...layerBytes);

export class FixedState {
  /** Bytes reserved. */
  readonly bytes: number;
  readonly #backend: Backend;
  readonly #layerBytes: readonly number[];
  readonly #starts: readonly number[];
  readonly #size: number;
  readonly #marks: number;
  readonly #region: Address;
  #isDisposed = false;
  /** Where the next bytes are taken out from, or put back to. */
  #at = 0;

  /**
   * `layerBytes`: of each layer, 0 where it keeps nothing, else multiples of 4. Throws DeviceError
   * where memory ends.
   */
  constructor(backend: Backend, layerBytes: readonly number[], marks: number) {
    let at = 0;
    this.#starts = layerBytes.map((bytes) => (at += bytes) - bytes);
    this.#size = at;
    this.#backend = backend;
    this.#layerBytes = layerBytes;
    this.#marks = marks;
    this.bytes = fixedStateBytes(layerBytes, marks);
    this.#region = backend.arena.allocate(this.bytes);
    this.clear();
  }

  /** Where a layer's lies. */
  of(layer: number): Address {
    return this.#region + this.#starts[layer];
  }

  /** Where a copy of a layer's lies, made now, to be worked on and forgotten. */
  aside(layer: number): Address {
    const to = this.#region + (1 + this.#marks) * this.#size;
    this.#backend.copy(to, this.of(layer), this.#layerBytes[layer]);
    return to;
  }

  /** The same copy, as it was left. */
  get asideNow(): Address {
    return this.#region + (1 + this.#marks) * this.#size;
  }

  /** Keeps a copy of all in a slot. */
  mark(slot: number): void {
    this.#backend.copy(this.#slot(slot), this.#region, this.#size);
  }

  /** Puts the copy of a slot back, which stays. */
  rewind(slot: number): void {
    this.#backend.copy(this.#region, this.#slot(slot), this.#size);
  }

  /** Forgets all: what holds before the first token. */
  clear(): void {
    for (let at = 0; at < this.#size; at += ZEROS.length)
      this.#backend.write(this.#region + at, ZEROS.subarray(0, this.#size - at));
  }

  /** Begins to take it out, or to put it back. */
  begin(): void {
    this.#at = 0;
  }

  /** Fills memory with the next bytes, as far as there are any. */
  async read(into: Uint8Array): Promise<void> {
    const count = Math.min(into.length, this.#size - this.#at);
    const first = this.#at % 4;
    const words = Math.ceil((first + count) / 4);
    const { buffer } = await this.#backend.readFloats(this.#region + this.#at - first, words);
    into.set(new Uint8Array(buffer, first, count));
    this.#at += count;
  }

  /** Puts the next bytes back. Throws StoreError for too many. */
  write(bytes: Uint8Array): void {
    if (bytes.length > this.#size - this.#at)
      throw new StoreError('it has more bytes than its rows and states take');
    this.#backend.write(this.#region + this.#at, bytes);
    this.#at += bytes.length;
  }

  /** All was put back. Throws StoreError where something is missing. */
  finish(): void {
    if (this.#at < this.#size) throw new StoreError('it ends before its states do');
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#backend.arena.free(this.#region);
  }

  #slot(slot: number): Address {
    if (!(slot >= 0 && slot < this.#marks))
      throw new RangeError(`mark ${slot} of ${this.#marks} that there is room for`);
    return this.#region + (1 + slot) * this.#size;
  }
}
