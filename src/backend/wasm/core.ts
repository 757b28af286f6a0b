// Compiled kernels with a memory of their own. It imports by relative paths only, like everything
// that a worker runs: a page can then start one without a bundler.
import type { instantiate } from '#kernels/simd';
import { DeviceError } from '../../errors.ts';
import { checkKernels } from './call.ts';

/** The exports of assembly/index.ts, as the compiler declares them. */
export type Kernels = Awaited<ReturnType<typeof instantiate>>;

/** A compiled build; it can be sent to workers. */
export interface Compiled {
  /** 'simd', 'relaxed', or 'debug' for bytes of tests. */
  readonly build: string;
  readonly module: WebAssembly.Module;
  /** Whether it wants a memory that threads share. */
  readonly shared: boolean;
}

/**
 * wasm pages are 64 KiB; a 32-bit memory holds 65536 of them, less one so that addresses plus
 * lengths stay below 2^32.
 */
const PAGE_BYTES = 65536;
const MAXIMUM_PAGES = 65535;

export interface Core {
  readonly build: string;
  readonly module: WebAssembly.Module;
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly base: number;
  readonly limitBytes: number;
  /** Makes the memory at least `end` bytes long. Views taken before are dead after. */
  reserve(end: number): void;
}

export interface CoreOptions {
  /** Most bytes of the memory. Default: as many as 32 bits reach. */
  readonly limitBytes?: number;
  /** How a module becomes an instance. Default: WebAssembly's own. */
  readonly instantiate?: (
    module: WebAssembly.Module,
    env: { memory: WebAssembly.Memory },
  ) => WebAssembly.Instance;
}

/** The longest a memory can be. */
export const MAXIMUM_BYTES = MAXIMUM_PAGES * PAGE_BYTES;

/** Gives a build a memory. */
export function createCore({ build, module, shared }: Compiled, options: CoreOptions = {}): Core {
  const { limitBytes = MAXIMUM_BYTES, instantiate = plainInstance } = options;
  const memory = new WebAssembly.Memory({ initial: 16, maximum: MAXIMUM_PAGES + 1, shared });
  const kernels = instantiate(module, { memory }).exports as unknown as Kernels;
  checkKernels(kernels);
  return {
    build,
    module,
    kernels,
    memory,
    base: Number((kernels.heap_base as unknown as WebAssembly.Global).value),
    limitBytes: Math.min(limitBytes, MAXIMUM_BYTES),
    reserve(end) {
      const missing = Math.ceil((end - memory.buffer.byteLength) / PAGE_BYTES);
      if (missing <= 0) return;
      try {
        memory.grow(missing);
      } catch (cause) {
        throw new DeviceError(
          `the runtime refused to grow the wasm memory to ${end} bytes: free memory or choose a ` +
            `smaller model`,
          { cause },
        );
      }
    },
  };
}

/** An instance of the kernels; what they abort with is an error of this runtime. */
export function plainInstance(
  module: WebAssembly.Module,
  env: { memory: WebAssembly.Memory },
): WebAssembly.Instance {
  const abort = () => {
    throw new Error('a kernel gave up');
  };
  return new WebAssembly.Instance(module, { env: { ...env, abort } });
}
