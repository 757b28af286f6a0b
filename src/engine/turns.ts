// Rotations beside those of a pass, for each of a model's ropes: of kept keys to other positions,
// and of a block's queries to the mean of the positions behind it.
import type { Angles, Backend } from '../backend/backend.ts';
import type { Turning, TurnTables } from '../backend/cache.ts';
import type { Address } from '../backend/tensor.ts';
import { attentionIn } from '../model/blocks/registry.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Transformer } from '../model/transformer.ts';

/**
 * Rotations by recent differences of positions that are kept. A prime spreads neighbours; 1021 rows
 * of 64 f32 are 256 KiB.
 */
const SHIFT_SLOTS = 1021;

/** Rows of a table of turns by 0, 1 ..; the next table's turn by multiples of so many. */
const LOW_ROWS = 256;

/**
 * Rotations of a rope that kept keys are turned by: recent ones, or tables of as many differences
 * as positions have, where the backend wants these.
 */
const rotationsOf = ({ contextLength }: ModelConfig, { limits }: Backend): number =>
  limits.turns === 'tables' ? LOW_ROWS + Math.ceil(contextLength / LOW_ROWS) : SHIFT_SLOTS;

/** Bytes that Turns reserves for blocks of `queries` that are turned ahead; 0: none are. */
export function turnBytes(config: ModelConfig, backend: Backend, queries: number): number {
  const rows = rotationsOf(config, backend) + queries;
  return config.ropes.reduce((sum, { dims }) => sum + rows * dims * 4, 0);
}

/** Of a rope: where its rotations lie, and which difference each slot holds; none is 0. */
interface Table {
  readonly address: Address;
  readonly held: Int32Array;
  /** Whether the tables are there. */
  isWritten: boolean;
}

export class Turns implements Pick<Turning, 'anglesOf' | 'tablesOf'> {
  readonly #transformer: Transformer;
  readonly #queries: number;
  readonly #rotations: number;
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
    this.#rotations = rotationsOf(config, backend);
    this.#region = backend.arena.allocate(turnBytes(config, backend, this.#queries));
    let address = this.#region;
    this.#tables = config.ropes.map(({ dims }) => {
      const table = { address, held: new Int32Array(SHIFT_SLOTS), isWritten: false };
      address += (this.#rotations + this.#queries) * dims * 4;
      return table;
    });
    if (ahead > 0)
      for (const [rope, rotary] of rotaries.entries())
        rotary.writeAhead(backend, this.#angles(rope, this.#rotations).address, queries, ahead);
  }

  /** What turns keys of a layer by so many positions, not 0; undefined where they know none. */
  readonly anglesOf = (layer: number): ((shift: number) => Angles) | undefined => {
    const rope = this.#ropeOf(layer);
    if (rope === undefined) return undefined;
    const { rotaries, backend } = this.#transformer;
    const { held } = this.#tables[rope];
    return (shift) => {
      const slot = Math.abs(shift) % SHIFT_SLOTS;
      const angles = this.#angles(rope, slot);
      if (held[slot] !== shift) {
        rotaries[rope].writeTurns(backend, angles.address, shift, 1);
        held[slot] = shift;
      }
      return angles;
    };
  };

  /** The same as tables, which are written when they are first asked for. */
  readonly tablesOf = (layer: number): TurnTables | undefined => {
    const rope = this.#ropeOf(layer);
    if (rope === undefined) return undefined;
    const { rotaries, backend } = this.#transformer;
    const { address: low, rotated, style } = this.#angles(rope, 0);
    const { address: high } = this.#angles(rope, LOW_ROWS);
    if (!this.#tables[rope].isWritten) {
      rotaries[rope].writeTurns(backend, low, 0, LOW_ROWS);
      rotaries[rope].writeTurns(backend, high, 0, this.#rotations - LOW_ROWS, LOW_ROWS);
      this.#tables[rope].isWritten = true;
    }
    return { low, high, rotated, style };
  };

  /** What turns a block's last `count` queries of a layer ahead, where that was asked for. */
  ahead(layer: number, count: number): Angles | undefined {
    const rope = this.#ropeOf(layer);
    if (rope === undefined || this.#queries === 0) return undefined;
    return this.#angles(rope, this.#rotations + this.#queries - count);
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
