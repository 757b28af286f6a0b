// This machine's WebGPU device: its limits, operations, and a model, beside WASM in the same run and
// in turn. On a device that is the CPU shapes are small: times say little there, counts all.
import { createRequire } from 'node:module';
import { runtime } from '#runtime';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { createWebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import { type OpenDevice, openDevice } from '../../src/backend/webgpu/device.ts';
import type { BenchGroup, Measurement } from '../case.ts';
import { sideBySide } from '../limit.ts';
import { copyBytes, type DeviceLimits, measureDevice } from './limits.ts';
import { bundledModel, fileFacts, measureModel } from './model.ts';
import { attention, type OperationCase, product } from './operations.ts';

/** What a run was made on, so that files of different machines can be told apart. */
export interface DeviceFacts {
  readonly name: string;
  /** Whether it is the CPU. */
  readonly isSoftware: boolean;
  readonly abilities: readonly string[];
  readonly bindingBytes: number;
  readonly bufferBytes: number;
  readonly copyBytes: number;
  /** The runtime and what brings WebGPU, with versions. */
  readonly runtime: string;
  readonly model: ReturnType<typeof fileFacts>;
}

/** WASM meets weights and rows of few bits with what it reads rounded, too. */
const TOLERANCE = 1e-2;
const ROUNDS = 5;

/** The device there is. Throws where there is none: why, what to do. */
async function openHere(): Promise<OpenDevice> {
  try {
    return await openDevice(await runtime.gpu());
  } catch (cause) {
    throw new Error(`${(cause as Error).message}: ${runtime.gpuAdvice}`, { cause });
  }
}

/** What runs the bench, and which WebGPU it has. */
function runtimeFacts(): string {
  const { deno, bun, node } = process.versions;
  if (deno) return `Deno ${deno}`;
  const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };
  return `${bun ? `Bun ${bun}` : `Node ${node}`}, webgpu ${version}`;
}

export async function deviceFacts(model: string = bundledModel): Promise<DeviceFacts> {
  const device = await openHere();
  const { name, isSoftware, abilities, bindingBytes, bufferBytes } = device;
  const facts = {
    name,
    isSoftware,
    abilities: Object.entries(abilities).flatMap(([ability, has]) => (has ? [ability] : [])),
    bindingBytes,
    bufferBytes,
    copyBytes: copyBytes(device),
    runtime: runtimeFacts(),
    model: fileFacts(model),
  };
  device.close();
  return facts;
}

function casesFor(isSoftware: boolean): OperationCase[] {
  const edge = isSoftware ? 256 : 4096;
  const wide = isSoftware ? 1024 : 16_384;
  const many = isSoftware ? 1 : 20;
  const shape = isSoftware
    ? { rows: 512, kvHeads: 2, group: 4, headDim: 64 }
    : { rows: 8192, kvHeads: 8, group: 4, headDim: 128 };
  return [
    product('f32', [edge, edge, edge], 1),
    product('q4_k', [1, wide, wide], many),
    product('q8_0', [1, wide, wide], many),
    ...(['f16', 'int8', 'int4'] as const).map((type) => attention(type, shape, many)),
  ];
}

/** A case on a device and a memory of its own, beside WASM. */
async function measureCase(one: OperationCase, limits: DeviceLimits): Promise<Measurement> {
  const backends = [await createWebgpuBackend(await openHere()), createWasmBackend({})];
  try {
    const works = backends.map((backend) => one.on(backend));
    const [ms, wasmMs] = await sideBySide(
      works.map((work) => () => work.run()),
      ROUNDS,
    );
    const [found, wanted] = await Promise.all(works.map((work) => work.numbers()));
    const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (!found.every((value, i) => Math.abs(value - wanted[i]) <= TOLERANCE * scale))
      throw new Error(`${one.name}: the device's numbers are not WASM's`);
    const amount = (one.times * one.amount) / 1e6;
    const isBytes = one.unit === 'GB/s';
    return {
      name: one.name,
      rate: amount / ms,
      unit: one.unit,
      share: amount / ms / (isBytes ? limits.copyGbs : limits.peakGflops),
      limit: isBytes ? 'copying' : 'multiply-adds in registers',
      peers: [{ name: `WASM, ${backends[1].threads} threads`, rate: amount / wasmMs }],
    };
  } finally {
    for (const backend of backends) backend.dispose();
  }
}

export const webgpu = (model: string = bundledModel): BenchGroup => ({
  name: 'webgpu',
  summary: 'a WebGPU device: limits, operations and a model, beside WASM in the same run',
  async run(report) {
    let device: OpenDevice;
    try {
      device = await openHere();
    } catch (error) {
      console.log(`  left out: ${(error as Error).message}`);
      return;
    }
    const { isSoftware } = device;
    const limits = await measureDevice(device);
    device.close();
    report({ name: 'a dispatch, and its result read', rate: limits.roundMs, unit: 'ms' });
    report({ name: 'a dispatch more in a row', rate: limits.dispatchMs, unit: 'ms' });
    report({ name: 'copy, read and written', rate: limits.copyGbs, unit: 'GB/s' });
    report({
      name: 'f32 multiply-adds in registers',
      rate: limits.peakGflops,
      unit: 'GFLOP/s',
    });
    for (const one of casesFor(isSoftware)) report(await measureCase(one, limits));
    const [prompt, reply] = isSoftware ? [192, 16] : [512, 64];
    await measureModel({ path: model, prompt, reply }, limits, report);
  },
});
