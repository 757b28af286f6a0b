// Rotations beside those of a pass, for each of a model's ropes: of kept keys to other positions,
// and of a block's queries to the mean of the positions behind it.
import type { Angles } from '../backend/backend.ts';
import type { Address } from '../backend/tensor.ts';
import { attentionIn } from '../model/blocks/registry.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Transformer } from '../model/transformer.ts';

/**
 * Rotations by recent differences of positions that are kept. A prime spreads neighbours; 1021 rows
 * of 64 f32 are 256 KiB.
 */
const SHIFT_SLOTS = 1021;

/** Bytes that Turns reserves for blocks of `queries` that are turned ahead; 0: none are. */
export function turnBytes({ ropes }: ModelConfig, queries: number): number {
  return ropes.reduce((sum, { dims }) => sum + (SHIFT_SLOTS + queries) * dims * 4, 0);
}

/** Of a rope: where its rotations lie, and which difference each slot holds; none is 0. */
interface Table {
  readonly address: Address;
  readonly held: Int32Array;
}

export class Turns {
  readonly #transformer: Transformer;
  readonly #queries: number;
  readonly #region: Address;
  readonly #tables: readonly Table[];

  /**
   * `ahead`: positions behind a block of `queries` that these are turned to the mean of; 0: none
   * are. Throws DeviceError where memory ends.
   */
  constructor(transformer: Transformer, queries: number, ahead: number) {
    const { backend, config, rotaries } = transformer;
    this.#transformer = transformer;
    this.#queries = ahead > 0 ? queries : 0;
    this.#region = backend.arena.allocate(turnBytes(config, this.#queries));
    let address = this.#region;
    this.#tables = config.ropes.map(({ dims }) => {
      const table = { address, held: new Int32Array(SHIFT_SLOTS) };
      address += (SHIFT_SLOTS + this.#queries) * dims * 4;
      return table;
    });
    if (ahead > 0)
      for (const [rope, rotary] of rotaries.entries())
        rotary.writeAhead(backend, this.#angles(rope, SHIFT_SLOTS).address, queries, ahead);
  }

  /** What turns keys of a layer by so many positions, not 0; undefined where they know none. */
  readonly of = (layer: number): ((shift: number) => Angles) | undefined => {
    const rope = this.#ropeOf(layer);
    if (rope === undefined) return undefined;
    const { rotaries, backend } = this.#transformer;
    const { held } = this.#tables[rope];
    return (shift) => {
      const slot = Math.abs(shift) % SHIFT_SLOTS;
      const angles = this.#angles(rope, slot);
      if (held[slot] !== shift) {
        rotaries[rope].write(backend, angles.address, shift, 1);
        held[slot] = shift;
      }
      return angles;
    };
  };

  /** What turns a block's last `count` queries of a layer ahead, where that was asked for. */
  ahead(layer: number, count: number): Angles | undefined {
    const rope = this.#ropeOf(layer);
    if (rope === undefined || this.#queries === 0) return undefined;
    return this.#angles(rope, SHIFT_SLOTS + this.#queries - count);
  }

  dispose(): void {
    this.#transformer.backend.arena.free(this.#region);
  }

  #ropeOf(layer: number): number | undefined {
    const { config, weights } = this.#transformer;
    return attentionIn(config.layerSpecs[weights.first + layer])?.rope;
  }

  /** Row i of a rope's table. */
  #angles(rope: number, i: number): Angles {
    const { dims, style } = this.#transformer.config.ropes[rope];
    return { address: this.#tables[rope].address + i * dims * 4, rotated: dims, style };
  }
}
