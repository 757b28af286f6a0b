// The backends by name, and which one runs a model: chosen once, when it is loaded, with the
// reason. A new one: its folder, and its line here.
import { runtime } from '#runtime';
import type { Backend } from './backend.ts';
import { createReferenceBackend } from './reference.ts';
import { createWasmBackend, type WasmOptions } from './wasm/backend.ts';

export interface BackendOptions extends WasmOptions {
  /** Most bytes of a device's memory. Default: what it has. */
  readonly deviceBytes?: number;
}

interface Member {
  readonly summary: string;
  /** Throws DeviceError where it cannot be had here. */
  create(options: BackendOptions): Backend | Promise<Backend>;
}

/** Bytes of the reference's memory where nobody says how many: taken as they are touched. */
const REFERENCE_BYTES = 2 ** 30;

/** Shaders are loaded where they are wanted. */
const webgpu = () => import('./webgpu/open.ts');

const members = {
  webgpu: {
    summary: 'a GPU, by WebGPU',
    create: async ({ deviceBytes }) =>
      (await webgpu()).openWebgpu({ gpu: await runtime.gpu(), limitBytes: deviceBytes }),
  },
  wasm: {
    summary: 'WebAssembly with SIMD, on threads where memory can be shared',
    create: createWasmBackend,
  },
  reference: {
    summary: 'plain loops in f64, hundreds of times slower: what the others are held against',
    create: ({ limitBytes = REFERENCE_BYTES }) =>
      createReferenceBackend(Math.min(limitBytes, REFERENCE_BYTES)),
  },
} as const satisfies Record<string, Member>;

export type BackendName = keyof typeof members;
export const backendNames = Object.keys(members) as BackendName[];

/** What computes, and why it is that. */
export interface Choice {
  readonly device: BackendName | Backend;
  readonly reason: string;
}

/**
 * What was asked for, or the fastest there is: WebGPU where its device computes what it should, and
 * faster than WebAssembly; `stays` says why it has to be WebAssembly whatever there is.
 */
export async function chooseDevice(
  wanted: BackendName | 'auto' | Backend,
  options: WasmOptions,
  stays?: string,
): Promise<Choice> {
  if (typeof wanted === 'object') return { device: wanted, reason: 'it was handed in' };
  if (wanted !== 'auto') return { device: wanted, reason: 'it was asked for' };
  if (stays !== undefined) return { device: 'wasm', reason: stays };
  const gpu = await runtime.gpu();
  if (!gpu) return { device: 'wasm', reason: 'the fastest here, where there is no WebGPU' };
  const { isGood, reason } = await (await webgpu()).judge(gpu, () => createWasmBackend(options));
  return { device: isGood ? 'webgpu' : 'wasm', reason };
}

/** The backend that was chosen. Throws as creating it does. */
export async function createBackend(
  device: BackendName | Backend,
  options: BackendOptions,
): Promise<Backend> {
  return typeof device === 'object' ? device : members[device].create(options);
}
