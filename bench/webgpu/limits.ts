// What a WebGPU device reaches at most, by commands and shaders of a few lines that share nothing
// with the backend's: a dispatch alone and in a row, copying, and multiply-adds in registers. Each
// checks what it computed.
import type { OpenDevice } from '../../src/backend/webgpu/device.ts';

/** Limits of a device, as they were measured. */
export interface DeviceLimits {
  /** One dispatch, sent, done, and its result read. */
  readonly roundMs: number;
  /** One more dispatch that waits for the one before. */
  readonly dispatchMs: number;
  /** Bytes read and written by copying a buffer, GB/s of both together. */
  readonly copyGbs: number;
  /** f32 multiply-adds, GFLOP/s. */
  readonly peakGflops: number;
}

// GPUBufferUsage and GPUMapMode, which not every runtime has for globals
const [MAP_READ, COPY_SRC, COPY_DST, STORAGE] = [1, 4, 8, 128];

const ROUNDS = 7;
/** Dispatches in a row. */
const MANY = 1000;

const COUNT = `@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1) fn main() { data[0] += 1u; }`;

/** Sums in flight, vec4s that wait for nobody but themselves. */
const CHAINS = 8;
/** Multiply-adds of each number. */
const STEPS = 512;
const WORKGROUP = 64;
const PEAK = `@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(${WORKGROUP}) fn main(
  @builtin(global_invocation_id) id: vec3u,
) {
  let by = data[0];
  ${each((i) => `var s${i} = vec4f(f32(id.x % 7u) + ${i}.0);`)}
  for (var step = 0u; step < ${STEPS}u; step++) {
    ${each((i) => `s${i} = s${i} * by + by;`)}
  }
  data[1u + id.x] = ${each((i) => `s${i}`, ' + ')};
}`;

function each(of: (i: number) => string, between = '\n'): string {
  return Array.from({ length: CHAINS }, (_, i) => of(i)).join(between);
}

/** A buffer that one kernel works on. */
class Bench {
  readonly #gpu: GPUDevice;
  readonly #data: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #pipeline: GPUComputePipeline;
  readonly #group: GPUBindGroup;

  constructor({ gpu }: OpenDevice, code: string, first: Uint32Array<ArrayBuffer>, bytes: number) {
    this.#gpu = gpu;
    const usage = STORAGE | COPY_SRC | COPY_DST;
    this.#data = gpu.createBuffer({ size: bytes, usage });
    this.#staging = gpu.createBuffer({ size: 32, usage: MAP_READ | COPY_DST });
    gpu.queue.writeBuffer(this.#data, 0, first);
    const module = gpu.createShaderModule({ code });
    this.#pipeline = gpu.createComputePipeline({
      layout: 'auto',
      compute: { module, entryPoint: 'main' },
    });
    this.#group = gpu.createBindGroup({
      layout: this.#pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: this.#data } }],
    });
  }

  /** Milliseconds of `times` dispatches and reading what they left in the first 32 bytes. */
  async time(times: number, groups = 1): Promise<{ ms: number; left: Uint32Array }> {
    const begin = performance.now();
    const encoder = this.#gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group);
    for (let i = 0; i < times; i++) pass.dispatchWorkgroups(groups);
    pass.end();
    encoder.copyBufferToBuffer(this.#data, 0, this.#staging, 0, 32);
    this.#gpu.queue.submit([encoder.finish()]);
    await this.#staging.mapAsync(1);
    const left = new Uint32Array(this.#staging.getMappedRange().slice(0));
    this.#staging.unmap();
    return { ms: performance.now() - begin, left };
  }

  free(): void {
    this.#data.destroy();
    this.#staging.destroy();
  }
}

const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];

/** Median milliseconds of a work over rounds, the first of which does not count. */
async function medianOf(work: () => Promise<number>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await work());
  return median(times);
}

async function measureDispatches(device: OpenDevice): Promise<[roundMs: number, oneMs: number]> {
  const bench = new Bench(device, COUNT, new Uint32Array(8), 32);
  let sent = 0;
  const time = async (times: number) => {
    const { ms, left } = await bench.time(times);
    sent += times;
    if (left[0] !== sent) throw new Error(`${sent} dispatches counted ${left[0]}`);
    return ms;
  };
  const roundMs = await medianOf(() => time(1));
  const manyMs = await medianOf(() => time(1 + MANY));
  bench.free();
  // what one cannot tell from nothing is a nanosecond
  return [roundMs, Math.max(1e-6, (manyMs - roundMs) / MANY)];
}

async function measurePeak(device: OpenDevice): Promise<number> {
  const half = new Uint32Array(Float32Array.of(0.5, 0.5, 0.5, 0.5).buffer);
  const groups = device.isSoftware ? 64 : 16_384;
  const bench = new Bench(device, PEAK, half, 16 * (1 + groups * WORKGROUP));
  const flops = 2 * 4 * CHAINS * STEPS * WORKGROUP * groups;
  const timeOf = async (times: number) => {
    const { ms, left } = await bench.time(times, groups);
    // x * 0.5 + 0.5 goes to 1 wherever it began
    const [sum] = new Float32Array(left.buffer, 16);
    if (sum !== CHAINS) throw new Error(`sums of ${CHAINS} ones are ${sum}`);
    return ms;
  };
  const once = await medianOf(() => timeOf(1));
  const more = await medianOf(() => timeOf(5));
  bench.free();
  return (4 * flops) / Math.max(1e-6, more - once) / 1e6;
}

/** Bytes that are copied at a time. */
export const copyBytes = ({ isSoftware, bufferBytes }: OpenDevice): number =>
  Math.min(isSoftware ? 2 ** 25 : 2 ** 29, Math.floor(bufferBytes / 4) * 4);

async function measureCopy(device: OpenDevice): Promise<number> {
  const { gpu } = device;
  const size = copyBytes(device);
  const usage = COPY_SRC | COPY_DST;
  const [from, to] = [gpu.createBuffer({ size, usage }), gpu.createBuffer({ size, usage })];
  const staging = gpu.createBuffer({ size: 4, usage: MAP_READ | COPY_DST });
  let mark = 0;
  const timeOf = async (times: number) => {
    gpu.queue.writeBuffer(from, size - 4, Uint32Array.of(++mark));
    const begin = performance.now();
    const encoder = gpu.createCommandEncoder();
    for (let i = 0; i < times; i++) encoder.copyBufferToBuffer(from, 0, to, 0, size);
    encoder.copyBufferToBuffer(to, size - 4, staging, 0, 4);
    gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    const [left] = new Uint32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    if (left !== mark) throw new Error(`copied ${mark}, found ${left}`);
    return performance.now() - begin;
  };
  const once = await medianOf(() => timeOf(1));
  const more = await medianOf(() => timeOf(9));
  for (const buffer of [from, to, staging]) buffer.destroy();
  return (8 * 2 * size) / Math.max(1e-6, more - once) / 1e6;
}

export async function measureDevice(device: OpenDevice): Promise<DeviceLimits> {
  const [roundMs, dispatchMs] = await measureDispatches(device);
  const copyGbs = await measureCopy(device);
  const peakGflops = await measurePeak(device);
  return { roundMs, dispatchMs, copyGbs, peakGflops };
}
