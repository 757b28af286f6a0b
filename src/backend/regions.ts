// Regions of memory, planned by name before anything is reserved, and laid out one behind the
// other.
import type { Address, Tensor } from './tensor.ts';

const ALIGNMENT = 16;

export class Regions {
  readonly #bytes = new Map<string, number>();

  /** Room for rows x columns f32 or i32; of a name that was asked for before: for the larger. */
  add(name: string, rows: number, columns: number): void {
    const bytes = Math.ceil((rows * columns * 4) / ALIGNMENT) * ALIGNMENT;
    this.#bytes.set(name, Math.max(bytes, this.#bytes.get(name) ?? 0));
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return [...this.#bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Where they lie if the first one begins at an address. */
  layOut(start: Address): (name: string, columns?: number) => Tensor {
    const places = new Map<string, Address>();
    let end = start;
    for (const [name, bytes] of this.#bytes) {
      places.set(name, end);
      end += bytes;
    }
    return (name, columns = 1) => ({ address: places.get(name)!, columns });
  }
}
