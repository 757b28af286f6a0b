// A WebGPU device, as far as the kernels need one: what it can do, and whether it is still there.
// Who has WebGPU, the runtime knows.
import { DeviceError } from '../../errors.ts';

/** The device went away: what was on it is lost, and something else has to go on. */
export class DeviceLostError extends DeviceError {}

/**
 * What of a device the kernels are made for. Not shader-f16: every device reads stored halves
 * exactly (unpack2x16float), and sums in 16 bits have 11 bits of a number, fewer than tolerances.
 */
export interface DeviceAbilities {
  /** Invocations that exchange numbers without memory. */
  readonly subgroups: boolean;
}

export interface OpenDevice {
  readonly gpu: GPUDevice;
  /** Vendor and architecture, as far as they are told. */
  readonly name: string;
  /** Whether it is the CPU that computes. */
  readonly isSoftware: boolean;
  readonly abilities: DeviceAbilities;
  /** Bytes that one binding may have, and one buffer. */
  readonly bindingBytes: number;
  readonly bufferBytes: number;
  /** Why it is gone, once it is. */
  readonly lost: DeviceLostError | undefined;
  /** Rejects once it is gone. */
  readonly gone: Promise<never>;
  close(): void;
}

/** Storage buffers that a kernel binds at most, and the least that every device has. */
const STORAGE_BUFFERS = 8;

/** Bytes of a workgroup's memory that kernels use at most, and the least that every device has. */
const WORKGROUP_BYTES = 16_384;

/**
 * Opens the device that the platform gives. `without` leaves out abilities that it has. Throws
 * DeviceError where there is none.
 */
export async function openDevice(
  gpu: GPU | undefined,
  without: readonly (keyof DeviceAbilities)[] = [],
): Promise<OpenDevice> {
  if (!gpu) throw new DeviceError('there is no WebGPU here');
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  } catch (cause) {
    throw new DeviceError(`WebGPU gives no adapter: ${(cause as Error).message}`, { cause });
  }
  if (!adapter) throw new DeviceError('WebGPU gives no adapter: no device that it can use');
  const { limits, features, info } = adapter;
  if (
    limits.maxStorageBuffersPerShaderStage < STORAGE_BUFFERS ||
    limits.maxComputeWorkgroupStorageSize < WORKGROUP_BYTES
  )
    throw new DeviceError(
      `the adapter binds ${limits.maxStorageBuffersPerShaderStage} buffers, with ` +
        `${limits.maxComputeWorkgroupStorageSize} bytes a workgroup: kernels need ` +
        `${STORAGE_BUFFERS} and ${WORKGROUP_BYTES}`,
    );
  const has = (ability: keyof DeviceAbilities, feature: GPUFeatureName) =>
    features.has(feature) && !without.includes(ability);
  const abilities: DeviceAbilities = {
    subgroups: has('subgroups', 'subgroups'),
  };
  const requiredFeatures: GPUFeatureName[] = abilities.subgroups ? ['subgroups'] : [];
  const bindingBytes = limits.maxStorageBufferBindingSize;
  const bufferBytes = limits.maxBufferSize;
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredFeatures,
      requiredLimits: {
        maxStorageBufferBindingSize: bindingBytes,
        maxBufferSize: bufferBytes,
      },
    });
  } catch (cause) {
    throw new DeviceError(`the adapter gives no device: ${(cause as Error).message}`, { cause });
  }
  return watched(device, {
    name: [info?.vendor, info?.architecture, info?.description].filter(Boolean).join(' '),
    isSoftware: info?.isFallbackAdapter === true,
    abilities,
    bindingBytes: Math.floor(bindingBytes / 16) * 16,
    bufferBytes,
  });
}

function watched(
  device: GPUDevice,
  facts: Omit<OpenDevice, 'gpu' | 'lost' | 'gone' | 'close'>,
): OpenDevice {
  let lost: DeviceLostError | undefined;
  const gone = new Promise<never>((_, reject) => {
    const lose = (why: string) => {
      lost ??= new DeviceLostError(`the GPU is gone (${why}): load the model again`);
      reject(lost);
    };
    void device.lost.then(({ reason, message }) => lose(message || reason));
    // an operation that the device refuses is a fault of ours: nothing behind it can be trusted
    device.addEventListener('uncapturederror', (event) => {
      lose((event as GPUUncapturedErrorEvent).error.message);
    });
  });
  gone.catch(() => {});
  return {
    ...facts,
    gpu: device,
    get lost() {
      return lost;
    },
    gone,
    close: () => device.destroy(),
  };
}
