// A client's training in one half of a model: its adapters on layers that are there once, and
// passes whose activations lie in rooms that others use as well. Where another pass has taken the
// room meanwhile, the forward pass is made again from its input: it has the same bits.
import type { Sequence } from '../backend/training.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Network } from '../model/forward.ts';
import { LearningPass } from '../model/learning.ts';
import {
  createLearningRoom,
  learningBytes,
  type LearningRoom,
  type LearningShape,
} from '../model/learning-room.ts';
import type { LoraShape } from '../train/lora.ts';
import type { Parameters } from '../train/parameters.ts';
import { headTokensOf } from '../train/plan.ts';
import { reserveAdapter } from '../train/setup.ts';

/** The room that passes of up to `tokens` tokens over a network's layers need. */
export function shapeOf(
  { config, weights }: Network,
  tokens: number,
  rank: number,
  hasHead: boolean,
): LearningShape {
  const keptLayers = weights.end - weights.first;
  return { tokens, keptLayers, headTokens: hasHead ? headTokensOf(config, tokens) : 1, rank };
}

export const roomBytes = ({ config, weights, backend }: Network, shape: LearningShape): number =>
  learningBytes(config, weights, backend, shape);

/** A batch on its way: tokens, or what the layers before made of them. */
export interface Piece {
  readonly input: readonly number[] | Float32Array;
  readonly sequences: readonly Sequence[];
}

/** Rooms for passes over a network's layers, that many halves share. */
export class Rooms {
  readonly rooms: readonly LearningRoom[];
  /** Whose activations are in each. */
  readonly #holders: (Piece | undefined)[];
  #next = 0;

  /** Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor({ config, weights, backend }: Network, shape: LearningShape, count = 1) {
    const rooms: LearningRoom[] = [];
    try {
      for (let i = 0; i < count; i++)
        rooms.push(createLearningRoom(config, weights, backend, shape));
    } catch (error) {
      for (const room of rooms) room.dispose();
      throw error;
    }
    this.rooms = rooms;
    this.#holders = rooms.map(() => undefined);
  }

  /** The room that is longest in use, for another batch. */
  take(piece: Piece): number {
    const room = this.#next;
    this.#next = (room + 1) % this.rooms.length;
    this.#holders[room] = piece;
    return room;
  }

  /** The room in which a batch still is; -1: none. */
  find(piece: Piece): number {
    return this.#holders.indexOf(piece);
  }

  dispose(): void {
    for (const room of this.rooms) room.dispose();
  }
}

export class Half {
  readonly config: ModelConfig;
  readonly parameters: Parameters;
  readonly #rooms: Rooms;
  readonly #passes: readonly LearningPass[];
  /** What passes began with that have not gone back. */
  readonly #pieces = new Map<number, Piece>();
  readonly #free: () => void;

  /** Reserves an adapter. Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor(network: Network, rooms: Rooms, shape: LoraShape, seed: number) {
    const adapted = reserveAdapter(network, shape, seed);
    this.parameters = adapted.parameters;
    this.config = network.config;
    this.#rooms = rooms;
    this.#free = adapted.free;
    const { gradientOf } = this.parameters;
    this.#passes = rooms.rooms.map((room) => new LearningPass(adapted.network, room, gradientOf));
  }

  /** Runs a batch through the layers. One that `learns` is kept until back(). */
  forward(id: number, piece: Piece, learns: boolean): LearningPass {
    const pass = this.#passes[this.#rooms.take(piece)];
    pass.forward(piece.input, piece.sequences);
    if (learns) this.#pieces.set(id, piece);
    return pass;
  }

  /** Batches that are to go back. */
  get underWay(): number {
    return this.#pieces.size;
  }

  /** A batch's pass, its activations in place, for the last time. */
  back(id: number): LearningPass {
    const piece = this.#pieces.get(id)!;
    this.#pieces.delete(id);
    const room = this.#rooms.find(piece);
    return room < 0 ? this.forward(id, piece, false) : this.#passes[room];
  }

  /** Forgets batches under way, and what was learned from them. */
  clear(): void {
    this.#pieces.clear();
    this.parameters.clearGradients();
  }

  dispose(): void {
    this.parameters.dispose();
    this.#free();
  }
}
