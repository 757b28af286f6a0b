// Rotations beside those of a pass: of kept keys to other positions, and of a block's queries to
// the mean of the positions behind it.
import type { Angles } from '../backend/backend.ts';
import type { Address } from '../backend/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Transformer } from '../model/transformer.ts';

/**
 * Rotations by recent differences of positions that are kept. A prime spreads neighbours; 1021 rows
 * of 64 f32 are 256 KiB.
 */
const SHIFT_SLOTS = 1021;

/** Bytes that Turns reserves for blocks of `queries` that are turned ahead; 0: none are. */
export function turnBytes({ ropeDims }: ModelConfig, queries: number): number {
  return (SHIFT_SLOTS + queries) * ropeDims * 4;
}

export class Turns {
  readonly #transformer: Transformer;
  readonly #queries: number;
  readonly #region: Address;
  /** Which difference a slot holds; 0 is never asked for. */
  readonly #held = new Int32Array(SHIFT_SLOTS);

  /**
   * `ahead`: positions behind a block of `queries` that these are turned to the mean of; 0: none
   * are. Throws DeviceError where memory ends.
   */
  constructor(transformer: Transformer, queries: number, ahead: number) {
    const { backend, config, rotary } = transformer;
    this.#transformer = transformer;
    this.#queries = ahead > 0 ? queries : 0;
    this.#region = backend.arena.allocate(turnBytes(config, this.#queries));
    if (ahead > 0) rotary.writeAhead(backend, this.#row(SHIFT_SLOTS), queries, ahead);
  }

  /** What turns keys by so many positions, not 0. */
  readonly by = (shift: number): Angles => {
    const { rotary, backend } = this.#transformer;
    const slot = Math.abs(shift) % SHIFT_SLOTS;
    const address = this.#row(slot);
    if (this.#held[slot] !== shift) {
      rotary.write(backend, address, shift, 1);
      this.#held[slot] = shift;
    }
    return this.#angles(address);
  };

  /** What turns a block's last `count` queries ahead, where that was asked for. */
  ahead(count: number): Angles | undefined {
    if (this.#queries === 0) return undefined;
    return this.#angles(this.#row(SHIFT_SLOTS + this.#queries - count));
  }

  dispose(): void {
    this.#transformer.backend.arena.free(this.#region);
  }

  #row(i: number): Address {
    return this.#region + i * this.#transformer.config.ropeDims * 4;
  }

  #angles(address: Address): Angles {
    const { ropeDims, architecture } = this.#transformer.config;
    return { address, rotated: ropeDims, style: architecture.rope };
  }
}
