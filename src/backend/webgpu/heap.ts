// A device's memory as addresses: buffer number * 2^32 + byte offset. What passes work in is one
// buffer, number 0, which a dispatch binds once, whatever of it it reads and writes; everything
// else (a weight, a cache's column) has a buffer of its own.
import { DeviceError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import { type Arena, createArena } from '../arena.ts';
import type { Address } from '../tensor.ts';
import type { OpenDevice } from './device.ts';
import { FAULT_BYTES } from './faults.ts';

const SPAN = 2 ** 32;

// GPUBufferUsage, which not every runtime has as a global
export const MAP_READ = 1;
export const COPY_SRC = 4;
export const COPY_DST = 8;
export const UNIFORM = 64;
export const STORAGE = 128;

/** Bytes that the work buffer grows by: few growths, little idle memory. */
export const GROW_BYTES = 1 << 16;

export const bufferNumber = (address: Address): number => Math.floor(address / SPAN);
/** Where piece i of a region of several buffers lies. */
export const pieceAddress = (address: Address, i: number): Address => address + i * SPAN;
export const byteOffset = (address: Address): number => address % SPAN;
/** Where an address lies in its buffer, in words of 4 bytes. */
export const wordOffset = (address: Address): number => (address % SPAN) / 4;

/** A buffer, and what tells its bind groups from others'. */
export interface HeapBuffer {
  readonly buffer: GPUBuffer;
  /** Never used again. */
  readonly id: number;
}

export interface HeapEvents {
  /** Copies the first bytes of one buffer to another, before anything that is asked for later. */
  moved(from: GPUBuffer, to: GPUBuffer, bytes: number): void;
  made(): void;
  /** A buffer is gone. */
  dropped(id: number): void;
}

export class Heap implements Arena {
  readonly #device: OpenDevice;
  readonly #limitBytes: number;
  readonly #events: HeapEvents;
  readonly #work: Arena;
  readonly #buffers = new Map<number, HeapBuffer>();
  /** How many buffers a region has, by the number of its first. */
  readonly #pieces = new Map<number, number>();
  #isTrial = false;
  #ids = 0;
  #numbers = 1;
  /** Bytes of all buffers, and the most there were. */
  deviceBytes = 0;
  peakBytes = 0;

  constructor(device: OpenDevice, limitBytes: number, events: HeapEvents) {
    this.#device = device;
    this.#limitBytes = limitBytes;
    this.#events = events;
    const most = Math.min(device.bindingBytes, device.bufferBytes, SPAN);
    // address 0 means "nowhere": there faults are noted
    this.#work = createArena(FAULT_BYTES, most, (end) => this.#growWork(end));
  }

  /** A region of the work buffer. */
  allocate(bytes: number): Address {
    return this.#work.allocate(bytes);
  }

  /** Bytes that a buffer has at most: what is larger is several. */
  get pieceBytes(): number {
    const { bindingBytes, bufferBytes } = this.#device;
    return Math.floor(Math.min(bindingBytes, bufferBytes, SPAN - 4) / 4) * 4;
  }

  /**
   * Buffers of its own, for what is written once and read by kernels: one, or where that is too
   * large several with numbers behind each other, all but the last of pieceBytes.
   */
  plan(bytes: number): Address {
    const most = this.pieceBytes;
    const pieces = Math.max(1, Math.ceil(bytes / most));
    return this.#reserve(
      Array.from({ length: pieces }, (_, i) => Math.min(most, bytes - i * most)),
    );
  }

  /** One buffer of its own. Throws DeviceError where that is too large. */
  planWhole(bytes: number): Address {
    return this.#reserve([bytes]);
  }

  /** Buffers are whole from the beginning on. */
  touch(): void {}

  free(address: Address): void {
    const number = bufferNumber(address);
    if (number === 0) {
      this.#work.free(address);
      if (this.#work.usedBytes === 0) this.#drop(0);
      return;
    }
    const pieces = this.#pieces.get(number);
    if (pieces === undefined) throw new RangeError(`address ${address} is not allocated`);
    this.#pieces.delete(number);
    for (let i = 0; i < pieces; i++) if (this.#buffers.has(number + i)) this.#drop(number + i);
  }

  get usedBytes(): number {
    const work = this.#buffers.get(0)?.buffer.size ?? 0;
    return this.deviceBytes - work + this.#work.usedBytes;
  }

  /** The buffer that an address lies in. */
  at(address: Address): HeapBuffer {
    const found = this.#buffers.get(bufferNumber(address));
    if (!found) throw new RangeError(`address ${address} is not allocated`);
    return found;
  }

  /** What passes work in, once there is something. */
  get work(): HeapBuffer | undefined {
    return this.#buffers.get(0);
  }

  /** Calls `work`, whose operations are not run, and reserves nothing: it frees all that it has. */
  trial(work: () => void): void {
    this.#isTrial = !this.work;
    try {
      work();
    } finally {
      this.#isTrial = false;
    }
  }

  dispose(): void {
    for (const number of [...this.#buffers.keys()]) this.#drop(number);
  }

  #growWork(end: number): void {
    const before = this.#buffers.get(0);
    if (before && before.buffer.size >= end) return;
    const grown = this.#create(Math.ceil(end / GROW_BYTES) * GROW_BYTES);
    this.#buffers.set(0, grown);
    if (!before) return;
    if (!this.#isTrial) this.#events.moved(before.buffer, grown.buffer, before.buffer.size);
    this.#destroy(before);
  }

  #reserve(sizes: readonly number[]): Address {
    const first = this.#numbers;
    this.#numbers += sizes.length;
    this.#pieces.set(first, sizes.length);
    try {
      for (const [i, size] of sizes.entries())
        this.#buffers.set(first + i, this.#create(Math.ceil(Math.max(1, size) / 4) * 4));
    } catch (error) {
      this.free(first * SPAN);
      throw error;
    }
    return first * SPAN;
  }

  #create(size: number): HeapBuffer {
    const { gpu, lost, bindingBytes, bufferBytes } = this.#device;
    if (lost) throw lost;
    if (this.#isTrial) return { buffer: { size, destroy() {} } as GPUBuffer, id: this.#ids++ };
    if (size > Math.min(bindingBytes, bufferBytes))
      throw new DeviceError(
        `${formatBytes(size)} in one piece are wanted, the device binds ` +
          `${formatBytes(Math.min(bindingBytes, bufferBytes))}: choose a smaller model or ` +
          `budget, or device: 'wasm'`,
      );
    if (this.deviceBytes + size > this.#limitBytes)
      throw new DeviceError(
        `no room for ${formatBytes(size)} beside the ${formatBytes(this.deviceBytes)} in use: ` +
          `${formatBytes(this.#limitBytes)} of device memory were allowed. Dispose of sessions ` +
          `or models, choose a smaller model or budget, or raise memoryLimit.`,
      );
    const buffer = gpu.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    this.#events.made();
    this.deviceBytes += size;
    this.peakBytes = Math.max(this.peakBytes, this.deviceBytes);
    return { buffer, id: this.#ids++ };
  }

  #drop(number: number): void {
    const found = this.#buffers.get(number);
    if (!found) throw new RangeError(`buffer ${number} is not allocated`);
    this.#buffers.delete(number);
    this.#destroy(found);
  }

  #destroy({ buffer, id }: HeapBuffer): void {
    if (this.#isTrial) return;
    this.deviceBytes -= buffer.size;
    this.#events.dropped(id);
    buffer.destroy();
  }
}
