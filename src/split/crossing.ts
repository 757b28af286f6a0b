// One side of a place where hidden states cross from one half of a model to the other, and their
// gradients back, as frames. Which bits channels get is learned by the side that sends hidden
// states: its frames tell the other one.
import { CodecEnd, type CodecState } from './codec/codec.ts';
import type { Gates, GateReport, GateState } from './codec/gates.ts';
import { codecBytes, type CodecOptions, type CodecShape, createGates } from './codec/options.ts';
import { positionsOf, type Sample } from './codec/samples.ts';

/** What frames to come depend on, as it is stored. */
export interface CrossingState {
  readonly end: CodecState;
  readonly gates?: GateState;
}

/** Most bytes that a side of this many crossings holds. Throws OptionError. */
export function crossingBytes(codec: CodecOptions, shape: CodecShape, crossings: number): number {
  const bytes = crossings * codecBytes(codec, shape);
  createGates(codec, shape); // for its checks
  return bytes;
}

export class Crossing {
  readonly #end: CodecEnd;
  /** For frames that nothing is learned from: they build on nothing, and nothing on them. */
  readonly #apart: CodecEnd;
  readonly #gates?: Gates;
  readonly #shape: CodecShape;
  readonly #isByToken: boolean;

  /** `sends`: whether this side sends hidden states, or their gradients. Throws OptionError. */
  constructor(codec: CodecOptions, shape: CodecShape, sends: boolean) {
    this.#end = new CodecEnd(codec, shape);
    this.#apart = new CodecEnd({ ...codec, stateBytes: 0 }, shape);
    this.#gates = sends ? createGates(codec, shape) : undefined;
    this.#shape = shape;
    this.#isByToken = codec.byToken === true;
  }

  /** Bits of each channel (or position) now. */
  get bits(): Uint8Array {
    return this.#end.bits;
  }

  /** What gates are at; undefined where none learn here. */
  get report(): GateReport | undefined {
    return this.#gates?.report();
  }

  /** Whether gradients are wanted for the bits' sake. */
  get isLearning(): boolean {
    return this.#gates !== undefined && !this.#gates.isFrozen;
  }

  /** The end for frames of a step, or, without `learns`, for others. */
  end(learns: boolean): CodecEnd {
    if (learns) return this.#end;
    if (this.#gates) {
      this.#apart.setBits(this.#end.bits);
      this.#apart.forget(); // each frame tells its bits
    }
    return this.#apart;
  }

  /** What a micro-batch's x and dx f32 [T, D] say about bits; in the order of micro-batches. */
  learn(x: Float32Array, dx: Float32Array, samples: readonly Sample[]): void {
    const { width } = this.#shape;
    const positions = this.#isByToken ? positionsOf(samples) : undefined;
    this.#gates?.learn(x, dx, { width, positions });
  }

  /** A step was made. */
  step(): void {
    if (!this.#gates) return;
    this.#gates.step();
    this.#end.setBits(this.#gates.whole);
  }

  /** A step begins again: gates are as before it, and frames to come stand alone. */
  clear(): void {
    this.#gates?.clear();
    this.#end.forget();
  }

  /** What gates learned, as numbers, between two steps; nothing where none learn here. */
  savedGates(): Float32Array[] {
    if (!this.#gates) return [];
    const { step, isFrozen, q, m, v } = this.#gates.save();
    const all = Float64Array.of(step, isFrozen ? 1 : 0, ...q, ...m, ...v);
    return [new Float32Array(all.buffer)];
  }

  /** Goes on from what savedGates() gave, frames standing alone. Throws OptionError. */
  restoreGates([saved]: readonly Float32Array[]): void {
    this.clear();
    if (!this.#gates || !saved) return;
    const all = new Float64Array(saved.slice().buffer);
    const [step, isFrozen] = all;
    const count = (all.length - 2) / 3;
    const [q, m, v] = [0, 1, 2].map((i) => all.slice(2 + i * count, 2 + (i + 1) * count));
    this.#gates.restore({ step, isFrozen: isFrozen === 1, q, m, v });
    if (step > 0) this.#end.setBits(this.#gates.whole);
  }

  /** Between two steps. */
  save(): CrossingState {
    const end = this.#end.save();
    return this.#gates ? { end, gates: this.#gates.save() } : { end };
  }

  /** Goes on from what save() gave. Throws OptionError where that was of another shape. */
  restore({ end, gates }: CrossingState): void {
    if (gates) this.#gates?.restore(gates);
    this.#end.restore(end);
  }
}
