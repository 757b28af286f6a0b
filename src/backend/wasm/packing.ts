// Packing and unpacking of activations (docs/algorithms.md, 'Mixed-bit frames'), in wasm. The
// kernels have a memory of their own, into which numbers are copied: a server and a client have
// them without a model's backend. What they write is defined by reference/packing.ts, to the bit.
import { compileKernels, instantiate } from './builds.ts';
import { type Core, createCore } from './core.ts';

/** The grid of each channel: D numbers each. */
export interface Grids {
  readonly lo: Float32Array;
  readonly hi: Float32Array;
  /** 1 to 8. */
  readonly bits: Uint8Array;
}

/** What frames are made with, and read. */
export interface Packing {
  /** Writes each channel's least and largest number of x [T, D]; false where one is not finite. */
  ranges(lo: Float32Array, hi: Float32Array, x: Float32Array): boolean;
  pack(out: Uint8Array, x: Float32Array, grids: Grids): void;
  unpack(x: Float32Array, packed: Uint8Array, grids: Grids): void;
}

export class PackingKernels implements Packing {
  readonly #core: Core;

  constructor(core = createCore(compileKernels(), { instantiate })) {
    this.#core = core;
  }

  /** Addresses of parts of these bytes, one behind the other. */
  #place(...bytes: readonly number[]): number[] {
    let end = this.#core.base;
    const at = bytes.map((count) => {
      const begin = (end + 15) & ~15;
      end = begin + count;
      return begin;
    });
    this.#core.reserve(end);
    return at;
  }

  #write(at: number, numbers: Float32Array): void {
    new Float32Array(this.#core.memory.buffer, at, numbers.length).set(numbers);
  }

  /**
   * The least and the largest number of each channel of x [T, D], T > 0. False where one of them
   * is NaN or infinite.
   */
  ranges(lo: Float32Array, hi: Float32Array, x: Float32Array): boolean {
    const D = lo.length;
    const [atLo, atHi, atX] = this.#place(D * 4, D * 4, x.length * 4);
    this.#write(atX, x);
    const { kernels, memory } = this.#core;
    const isWhole = kernels.channel_ranges(atLo, atHi, atX, x.length / D, D) === 1;
    lo.set(new Float32Array(memory.buffer, atLo, D));
    hi.set(new Float32Array(memory.buffer, atHi, D));
    return isWhole;
  }

  /** Lays out what both ways need; numbers of x are the caller's to write or to read. */
  #layOut(T: number, { lo, hi, bits }: Grids, packedBytes: number) {
    const D = bits.length;
    const scratchBytes = this.#core.kernels.packing_scratch(T);
    const at = this.#place(D * 4, D * 4, D, scratchBytes, packedBytes, T * D * 4);
    const [atLo, atHi, atBits, scratch, packed, x] = at;
    this.#write(atLo, lo);
    this.#write(atHi, hi);
    new Uint8Array(this.#core.memory.buffer, atBits, D).set(bits);
    return { packed, x, rest: [atLo, atHi, atBits, scratch, T, D] as const };
  }

  /** Writes x [T, D], finite numbers, into `out`: exactly its bytes. */
  pack(out: Uint8Array, x: Float32Array, grids: Grids): void {
    const { kernels, memory } = this.#core;
    const at = this.#layOut(x.length / grids.bits.length, grids, out.length);
    this.#write(at.x, x);
    kernels.pack_channels(at.packed, at.x, ...at.rest);
    out.set(new Uint8Array(memory.buffer, at.packed, out.length));
  }

  /** Sets x [T, D] to what pack() wrote. */
  unpack(x: Float32Array, packed: Uint8Array, grids: Grids): void {
    const { kernels, memory } = this.#core;
    const at = this.#layOut(x.length / grids.bits.length, grids, packed.length);
    new Uint8Array(memory.buffer, at.packed, packed.length).set(packed);
    kernels.unpack_channels(at.x, at.packed, ...at.rest);
    x.set(new Float32Array(memory.buffer, at.x, x.length));
  }
}

let kernels: PackingKernels | undefined;

/** The ones of this thread: no call begins within another. */
export function packingKernels(): PackingKernels {
  kernels ??= new PackingKernels();
  return kernels;
}
