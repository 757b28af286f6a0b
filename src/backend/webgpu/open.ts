// WebGPU for whoever loads a model: a backend on the device there is, and whether that is worth
// taking. What it says of a device holds for the whole process.
import { runtime } from '#runtime';
import { DeviceError } from '../../errors.ts';
import type { Backend } from '../backend.ts';
import { createWebgpuBackend, type WebgpuBackend } from './backend.ts';
import { type OpenDevice, openDevice } from './device.ts';
import { selfCheck, type Verdict } from './self-check.ts';

export interface OpenOptions {
  readonly gpu: GPU | undefined;
  /** Bytes of device memory at most. */
  readonly limitBytes?: number;
}

/** A backend on a device of its own. Throws DeviceError where there is none: why, what to do. */
export async function openWebgpu({ gpu, limitBytes }: OpenOptions): Promise<WebgpuBackend> {
  let device: OpenDevice;
  try {
    device = await openDevice(gpu);
  } catch (cause) {
    if (!(cause instanceof DeviceError)) throw cause;
    throw new DeviceError(
      `device 'webgpu' was asked for, but ${cause.message}: ${runtime.gpuAdvice}, or use device ` +
        `'wasm' or 'auto'`,
      { cause },
    );
  }
  return createWebgpuBackend(device, { limitBytes });
}

const verdicts = new WeakMap<GPU, Promise<Verdict>>();

/** Whether the platform's device computes what it should, and faster than another backend. */
export function judge(gpu: GPU, createOther: () => Backend): Promise<Verdict> {
  const found = verdicts.get(gpu) ?? judgeAnew(gpu, createOther);
  verdicts.set(gpu, found);
  return found;
}

/** The same, not remembered. */
export async function judgeAnew(gpu: GPU, createOther: () => Backend): Promise<Verdict> {
  const failed = (why: string): Verdict => ({ isGood: false, reason: `WebGPU is left: ${why}` });
  let device: OpenDevice;
  try {
    device = await openDevice(gpu);
  } catch (error) {
    return failed((error as Error).message);
  }
  if (device.isSoftware) {
    device.close();
    return failed(`its device (${device.name}) is the CPU, which WebAssembly uses better`);
  }
  const others: Backend[] = [];
  try {
    const backend = await createWebgpuBackend(device);
    others.push(backend, createOther());
    return await selfCheck(backend, others[1], device.name);
  } catch (error) {
    return failed(`its device (${device.name}) failed its check: ${(error as Error).message}`);
  } finally {
    for (const backend of others) backend.dispose();
  }
}
