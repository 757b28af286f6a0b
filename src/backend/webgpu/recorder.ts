// What operations ask of the device, in their order: dispatches are recorded into one compute pass,
// and go to the device together when something is read, or when there are many. Once all kernels
// have run, nothing is made for a token: parameters go through one uniform buffer and small writes
// through another, at offsets, and bind groups are kept by the buffers that they bind.
import type { Address } from '../tensor.ts';
import { BindGroups } from './bind-groups.ts';
import type { OpenDevice } from './device.ts';
import { FAULT_BYTES, Faults } from './faults.ts';
import {
  byteOffset,
  COPY_DST,
  type Heap,
  type HeapBuffer,
  MAP_READ,
  STORAGE,
  UNIFORM,
  wordOffset,
} from './heap.ts';
import { type Kernel, Kernels, PARAMS_BYTES } from './kernels.ts';
import { Usage } from './usage.ts';

/** Dispatches of a submission at most: as many parameters lie in the uniform buffer. */
const SLOTS = 2048;
/** Bytes that go to the device with a submission, beside parameters. */
const UPLOAD_BYTES = 1 << 20;
/** Writes of more bytes end a submission. */
const SMALL_BYTES = 1 << 18;
/** Workgroups along one dimension at most; more are folded (lib/index.wgsl). */
export const MOST_GROUPS = 65_535;

export class Recorder {
  readonly kernels: Kernels;
  readonly usage = new Usage();
  readonly faults = new Faults();
  readonly #device: OpenDevice;
  readonly #heap: () => Heap;
  readonly #params: GPUBuffer;
  readonly #uploads: HeapBuffer;
  readonly #paramsGroup: GPUBindGroup;
  readonly #slots = new Uint32Array((SLOTS * PARAMS_BYTES) / 4);
  readonly #data = new Uint8Array(UPLOAD_BYTES);
  /** Whether nothing is run, written or read. */
  #isTrial = false;
  #slot = 0;
  #uploaded = 0;
  #encoder?: GPUCommandEncoder;
  #pass?: GPUComputePassEncoder;
  readonly #groups: BindGroups;
  /** Buffers to read from that nobody waits for, by their size. */
  readonly #idle = new Map<number, GPUBuffer[]>();

  constructor(device: OpenDevice, heap: () => Heap) {
    this.#device = device;
    this.#heap = heap;
    const { gpu } = device;
    this.kernels = new Kernels(device, this.usage);
    this.#groups = new BindGroups(gpu, this.usage);
    this.#params = gpu.createBuffer({ size: this.#slots.byteLength, usage: UNIFORM | COPY_DST });
    this.#uploads = {
      buffer: gpu.createBuffer({ size: UPLOAD_BYTES, usage: STORAGE | COPY_DST }),
      id: -1,
    };
    this.#paramsGroup = gpu.createBindGroup({
      layout: this.kernels.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: this.#params, size: PARAMS_BYTES } }],
    });
  }

  /** Bytes of the device that are taken beside the heap. */
  get ownBytes(): number {
    let bytes = this.#params.size + this.#uploads.buffer.size;
    for (const list of this.#idle.values()) for (const { size } of list) bytes += size;
    return bytes;
  }

  /**
   * Runs `groups` workgroups of a kernel. `at` are addresses in the buffers that it binds, one a
   * binding; `params` u32 words (f32: floatWord). `readBytes`: what the kernel reads at least.
   */
  dispatch(
    kernel: Kernel,
    at: readonly Address[],
    params: readonly number[],
    groups: number,
    readBytes = 0,
  ): void {
    const heap = this.#heap();
    this.#record(
      kernel,
      at.map((address) => heap.at(address)),
      params,
      groups,
      readBytes,
    );
  }

  #record(
    kernel: Kernel,
    buffers: readonly HeapBuffer[],
    params: readonly number[],
    groups: number,
    readBytes: number,
  ): void {
    if (groups === 0) return;
    const { lost } = this.#device;
    if (lost) throw lost;
    if (this.#isTrial) return;
    if (this.#slot === SLOTS) this.flush();
    const pass = this.#open();
    const first = (this.#slot * PARAMS_BYTES) / 4;
    for (let i = 0; i < params.length; i++) this.#slots[first + i] = params[i];
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, this.#paramsGroup, [this.#slot * PARAMS_BYTES]);
    pass.setBindGroup(1, this.#groups.of(kernel, buffers));
    const y = Math.ceil(groups / MOST_GROUPS);
    pass.dispatchWorkgroups(Math.ceil(groups / y), y);
    this.#slot++;
    this.usage.dispatched(kernel.label, readBytes);
  }

  /** Writes numbers or bytes, a multiple of 4 of them, once what was asked for before is done. */
  write(address: Address, data: ArrayBufferView): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length === 0) return;
    if (bytes.length % 4 !== 0) throw new RangeError(`${bytes.length} bytes, not whole words`);
    if (this.#device.lost) throw this.#device.lost;
    const { buffer } = this.#heap().at(address);
    const upload = this.kernels.get('upload', 'wr');
    if (this.#isTrial) return;
    if (!this.#pass || bytes.length > SMALL_BYTES) {
      this.flush();
      // a shared memory is not taken, and a view of wasm's may move: a copy goes to the device
      const copy = bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice();
      this.#device.gpu.queue.writeBuffer(
        buffer,
        byteOffset(address),
        copy as Uint8Array<ArrayBuffer>,
      );
      return;
    }
    if (this.#slot === SLOTS || this.#uploaded + bytes.length > UPLOAD_BYTES) this.flush();
    this.#data.set(bytes, this.#uploaded);
    const params = [wordOffset(address), this.#uploaded / 4, bytes.length / 4];
    this.#uploaded += bytes.length;
    this.#record(
      upload,
      [this.#heap().at(address), this.#uploads],
      params,
      Math.ceil(bytes.length / 4 / 64),
      bytes.length,
    );
  }

  /**
   * Compiles what operations in `work` need, several at a time, and runs none of them: what they
   * read is 0.
   */
  async prepare(
    work: () => void,
    onProgress: (ready: number, of: number) => void = () => {},
  ): Promise<void> {
    this.#isTrial = true;
    let missing: ReturnType<Kernels['missingIn']>;
    try {
      missing = this.kernels.missingIn(work);
    } finally {
      this.#isTrial = false;
    }
    let ready = 0;
    const compile = async (kernel: (typeof missing)[number]) => {
      await this.kernels.prepare(kernel);
      onProgress(++ready, missing.length);
    };
    await Promise.race([Promise.all(missing.map(compile)), this.#device.gone]);
  }

  /** Sends what was recorded to the device. */
  flush(): void {
    if (this.#encoder) this.#submit();
  }

  /** Bytes at an address once all that was asked for before is done. Rejects where it cannot be. */
  read(address: Address, bytes: number): Promise<ArrayBuffer> {
    return this.readPieces([[address, bytes]]);
  }

  /** The bytes of several places, one behind the other: whole words of each. */
  async readPieces(pieces: readonly (readonly [Address, number])[]): Promise<ArrayBuffer> {
    const { gone } = this.#device;
    if (this.#device.lost) throw this.#device.lost;
    const bytes = pieces.reduce((sum, [, count]) => sum + count, 0);
    if (bytes === 0 || this.#isTrial) return new ArrayBuffer(bytes);
    const size = 2 ** Math.max(8, Math.ceil(Math.log2(bytes + FAULT_BYTES)));
    const idle = this.#idle.get(size) ?? [];
    this.#idle.set(size, idle);
    const staging = idle.pop() ?? this.#staging(size);
    const { work } = this.#heap();
    const whole = work ? bytes + FAULT_BYTES : bytes;
    const { last } = this.faults;
    this.#submit((encoder) => {
      let at = 0;
      for (const [address, count] of pieces) {
        const { buffer } = this.#heap().at(address);
        encoder.copyBufferToBuffer(buffer, byteOffset(address), staging, at, count);
        at += count;
      }
      if (!work) return;
      // a fault is told once, to who reads next behind it
      encoder.copyBufferToBuffer(work.buffer, 0, staging, at, FAULT_BYTES);
      encoder.clearBuffer(work.buffer, 0, FAULT_BYTES);
    });
    this.usage.read(whole);
    try {
      await Promise.race([staging.mapAsync(MAP_READ, 0, whole), gone]);
    } catch (error) {
      staging.destroy();
      throw this.#device.lost ?? error;
    }
    // destroying a device may let a map succeed
    if (this.#device.lost) throw this.#device.lost;
    const copy = staging.getMappedRange(0, whole).slice(0);
    staging.unmap();
    idle.push(staging);
    if (!work) return copy;
    const fault = this.faults.noted(new Uint32Array(copy, bytes), last);
    if (fault) throw fault;
    return copy.slice(0, bytes);
  }

  /** Copies between buffers, before what is asked for later. */
  move(from: GPUBuffer, to: GPUBuffer, bytes: number, fromAt = 0, toAt = 0): void {
    this.#submit((encoder) => encoder.copyBufferToBuffer(from, fromAt, to, toAt, bytes));
  }

  /** A buffer is gone. */
  forget(id: number): void {
    this.flush();
    this.#groups.forget(id);
  }

  dispose(): void {
    this.#params.destroy();
    this.#uploads.buffer.destroy();
    for (const list of this.#idle.values()) for (const buffer of list) buffer.destroy();
    this.#device.close();
  }

  #staging(size: number): GPUBuffer {
    this.usage.made('buffers');
    return this.#device.gpu.createBuffer({ size, usage: MAP_READ | COPY_DST });
  }

  #open(): GPUComputePassEncoder {
    this.#encoder ??= this.#device.gpu.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    return this.#pass;
  }

  #submit(last?: (encoder: GPUCommandEncoder) => void): void {
    const { gpu } = this.#device;
    this.#pass?.end();
    this.#pass = undefined;
    const encoder = this.#encoder;
    const { queue } = gpu;
    if (this.#slot > 0)
      queue.writeBuffer(this.#params, 0, this.#slots, 0, (this.#slot * PARAMS_BYTES) / 4);
    if (this.#uploaded > 0)
      queue.writeBuffer(this.#uploads.buffer, 0, this.#data, 0, this.#uploaded);
    this.#encoder = undefined;
    this.#slot = 0;
    this.#uploaded = 0;
    const whole = encoder ?? gpu.createCommandEncoder();
    last?.(whole);
    queue.submit([whole.finish()]);
    this.usage.submitted();
  }
}
