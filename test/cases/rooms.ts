// Regions of a backend's memory with guards around them: bytes that nobody may touch. Regions to
// work in are cut from larger ones, so that all their guards are read at once; those that are
// planned (weights) may each be a buffer of its own, and begin where it does.
import type { Backend } from '../../src/backend/backend.ts';
import type { Address } from '../../src/backend/tensor.ts';

/** What an arena aligns to, and bytes of a guard at least. */
const GUARD = 64;
const GUARD_BYTE = 0xa5;
const PIECE = 1 << 15;

/** Memory of which ranges [begin, end) may be written. */
interface Piece {
  readonly address: Address;
  readonly bytes: number;
  readonly rooms: [begin: number, end: number][];
}

export class Rooms {
  readonly #backend: Backend;
  readonly #pieces: Piece[] = [];
  /** The one that is being cut, and how much of it is. */
  #piece: Piece | undefined;
  #used = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** A region to work in. */
  work(bytes: number): Address {
    const size = Math.ceil(bytes / GUARD) * GUARD + GUARD;
    if (!this.#piece || this.#used + size > this.#piece.bytes) {
      const whole = Math.max(PIECE, GUARD + size);
      this.#piece = this.#guarded(this.#backend.arena.allocate(whole), whole);
      this.#used = GUARD;
    }
    const at = this.#used;
    this.#piece.rooms.push([at, at + bytes]);
    this.#used += size;
    return this.#piece.address + at;
  }

  /** One for what a model has, with a small region before it where memory is all one. */
  planned(bytes: number): Address {
    const { arena } = this.#backend;
    for (const [size, room] of [
      [GUARD, 0],
      [Math.ceil(bytes / 4) * 4 + GUARD, bytes],
    ]) {
      const address = arena.plan(size);
      arena.touch(address + size);
      this.#guarded(address, size).rooms.push([0, room]);
    }
    return this.#pieces[this.#pieces.length - 1].address;
  }

  /** Makes something that takes memory of its own, with guards before and behind it. */
  beside<T>(make: () => T): T {
    const guard = () => this.#guarded(this.#backend.arena.allocate(GUARD), GUARD);
    guard();
    const made = make();
    guard();
    return made;
  }

  #guarded(address: Address, bytes: number): Piece {
    const piece = { address, bytes, rooms: [] };
    this.#backend.write(address, new Uint8Array(bytes).fill(GUARD_BYTE));
    this.#pieces.push(piece);
    return piece;
  }

  /** Throws where a guard was written. */
  async check(): Promise<void> {
    const read = this.#pieces.map(({ address, bytes }) =>
      this.#backend.readInts(address, bytes / 4),
    );
    for (const [i, words] of (await Promise.all(read)).entries()) {
      const found = new Uint8Array(words.buffer);
      for (const [begin, end] of this.#pieces[i].rooms) found.fill(GUARD_BYTE, begin, end);
      const at = found.findIndex((byte) => byte !== GUARD_BYTE);
      if (at < 0) continue;
      const rooms = this.#pieces[i].rooms.map((room) => room.join(' .. ')).join(', ');
      throw new Error(`byte ${at} of a region was written, of which only ${rooms} may be`);
    }
  }

  dispose(): void {
    for (const { address } of this.#pieces.splice(0)) this.#backend.arena.free(address);
    this.#piece = undefined;
  }
}
