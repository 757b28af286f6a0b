// Working memory of operations, which run one after the other: one region of the work buffer, as
// large as the largest that is reserved now.
import type { Address } from '../tensor.ts';
import type { Heap } from './heap.ts';

export class Scratch {
  readonly #heap: Heap;
  readonly #reserved = new Set<{ readonly bytes: number }>();
  #region: Address = 0;
  #bytes = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** How many bytes are reserved now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Where it lies now. Throws RangeError where fewer bytes are reserved. */
  at(bytes: number): Address {
    if (bytes > this.#bytes)
      throw new RangeError(`${bytes} bytes of scratch are needed, ${this.#bytes} are reserved`);
    return this.#region;
  }

  /** Sets bytes aside until what it returns is called. Throws DeviceError where memory ends. */
  reserve(bytes: number): () => void {
    const reservation = { bytes };
    this.#reserved.add(reservation);
    try {
      this.#fit();
    } catch (error) {
      this.#reserved.delete(reservation);
      this.#fit();
      throw error;
    }
    return () => {
      if (this.#reserved.delete(reservation)) this.#fit();
    };
  }

  #fit(): void {
    const most = Math.max(0, ...[...this.#reserved].map(({ bytes }) => bytes));
    if (most === this.#bytes) return;
    if (this.#bytes > 0) this.#heap.free(this.#region);
    this.#bytes = 0;
    if (most > 0) this.#region = this.#heap.allocate(most);
    this.#bytes = most;
  }
}
