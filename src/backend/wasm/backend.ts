// The WebAssembly backend: a build of the kernels, a memory, and who works on it.
import { runtime } from '#runtime';
import { describeValue } from '../../arguments.ts';
import { createArena } from '../arena.ts';
import { OptionError, UnsupportedError } from '../../errors.ts';
import type { Activations } from '../rounding.ts';
import { type Build, canShareMemory, compileKernels, instantiate } from './builds.ts';
import { createCore } from './core.ts';
import { createOps, type WasmBackend } from './ops.ts';
import { createSchedule } from './schedule.ts';
import { Team } from './team.ts';

export type { WasmBackend };

export const MOST_THREADS = 16;
/** Cores from which on half of them are taken to be second threads of the other half. */
const MANY_CORES = 8;

export interface WasmOptions {
  readonly build?: Build | 'auto' | Uint8Array<ArrayBuffer>;
  /**
   * Threads that share the work, this one included. Default 'auto': by the cores there are, 1 where
   * memory cannot be shared.
   */
  readonly threads?: number | 'auto';
  /** Multiply-adds from which work is shared. For tests: 0 shares everything. */
  readonly worthSharing?: number;
  /**
   * How activations are rounded for products with quantised weights, in blocks of 32: to 8 bits, as
   * llama.cpp does, or to 16, which takes up to twice the time; 'auto': to 8 where
   * that may be (Backend.inEightBits). Default 'auto'.
   */
  readonly activations?: Activations;
  /** Most bytes of its memory. Default: what 32 bits reach, 4 GiB. */
  readonly limitBytes?: number;
}

/**
 * Creates a backend with a memory of its own. Throws DeviceError without SIMD, OptionError for a
 * build or threads that cannot run here, UnsupportedError where this runtime has no threads or may
 * not compile.
 */
export function createWasmBackend(options: WasmOptions['build'] | WasmOptions = {}): WasmBackend {
  const given: WasmOptions =
    typeof options === 'string' || options instanceof Uint8Array
      ? { build: options, threads: 1 }
      : options;
  const { build, threads, worthSharing, limitBytes, activations = 'auto' } = given;
  const size = chooseThreads(threads);
  const core = createCore(compileKernels(build, size > 1), { limitBytes, instantiate });
  const arena = createArena(core.base, core.limitBytes, core.reserve);
  return createOps(
    core,
    arena,
    createSchedule(core, arena, {
      threads: size,
      worthSharing,
      teamOf: (board) => new Team(core, board, size),
    }),
    activations,
  );
}

/**
 * How many threads. Throws OptionError for a number that cannot be, UnsupportedError where there
 * are no threads.
 */
export function chooseThreads(threads: number | 'auto' = 'auto'): number {
  if (threads !== 'auto') {
    if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS)
      throw new OptionError(
        `threads is ${describeValue(threads)}, expected a whole number from 1 to ` +
          `${MOST_THREADS}, or 'auto'`,
      );
    if (threads > 1 && runtime.noWorkers !== undefined)
      throw new UnsupportedError(
        `${threads} threads were asked for, but ${runtime.noWorkers}: use 1 or 'auto'`,
      );
    if (threads > 1 && !canShareMemory())
      throw new OptionError(
        `${threads} threads were asked for where memory cannot be shared: serve the page with ` +
          `cross-origin isolation, or use 1 or 'auto'`,
      );
    return threads;
  }
  return canRunThreads() ? availableCores() : 1;
}

/** Whether threads on one memory can be had here. */
export function canRunThreads(): boolean {
  return canShareMemory() && runtime.noWorkers === undefined;
}

/** Why there are no workers here; undefined where there are. */
export const noWorkers: string | undefined = runtime.noWorkers;

/** Cores that work is spread over where nobody says how many. */
export function availableCores(): number {
  const { cores } = runtime;
  return Math.min(MANY_CORES, cores < MANY_CORES ? cores : Math.ceil(cores / 2));
}
