// A device for tests: the software one that comes with Chromium, opened as users' are; another where
// VK_ICD_FILENAMES names one.
import { existsSync } from 'node:fs';
import { runtime } from '#runtime';
import { createWebgpuBackend, type WebgpuBackend } from '../src/backend/webgpu/backend.ts';
import { type DeviceAbilities, type OpenDevice, openDevice } from '../src/backend/webgpu/device.ts';

const SOFTWARE = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(SOFTWARE)) process.env.VK_ICD_FILENAMES ??= SOFTWARE;

/** A device and a backend on it, or why there is none. */
export type Opened = { device: OpenDevice; backend: WebgpuBackend } | { reason: string };

export async function openTestDevice(
  limitBytes?: number,
  without?: readonly (keyof DeviceAbilities)[],
): Promise<Opened> {
  try {
    const device = await openDevice(await runtime.gpu(), without);
    return { device, backend: await createWebgpuBackend(device, { limitBytes }) };
  } catch (error) {
    return { reason: `${(error as Error).message}: ${runtime.gpuAdvice}` };
  }
}
