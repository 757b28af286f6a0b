// Calls of kernels as lists of numbers, which threads take off a board. Their arguments are checked
// against the kernel's declaration, by the compiler, and how many there are against the module that
// runs, once.
import { kernelArguments } from '../../../build/generated/kernels.ts';
import { DeviceError } from '../../errors.ts';
import type { Kernels } from './core.ts';

/** Names of the kernels among a module's exports. */
export type KernelName = {
  [K in keyof Kernels]: Kernels[K] extends (...args: never[]) => unknown ? K : never;
}[keyof Kernels];

declare const kernel: unique symbol;
/** The number that a kernel has on the board. */
export type KernelNumber<K extends KernelName> = number & { readonly [kernel]: K };
export type KernelNumbers = { readonly [K in KernelName]: KernelNumber<K> };

declare const checked: unique symbol;
/** A kernel's number, and its arguments. */
export type Call = readonly number[] & { readonly [checked]: true };

/** Most arguments of a kernel that is called from a board (board.ts lists them). */
export const MOST_ARGUMENTS = 19;

/** Stands for the scratch of the thread that makes a call. */
export const SCRATCH = Number.NaN;

/** A call: `call(numbers.rms_norm, y, x, w, n, d, eps)`. */
export function call<K extends KernelName>(
  ...numbers: readonly [kernel: KernelNumber<K>, ...args: Parameters<Kernels[K]>]
): Call {
  return numbers as readonly unknown[] as Call;
}

/** Kernels by name, in the order of their numbers. */
export function namesOf(kernels: object): string[] {
  return Object.keys(kernels)
    .filter((name) => typeof (kernels as Record<string, unknown>)[name] === 'function')
    .sort();
}

/** What calls name each kernel by. */
export function numbersOf(kernels: Kernels): KernelNumbers {
  return Object.fromEntries(
    namesOf(kernels).map((name, i) => [name, i]),
  ) as unknown as KernelNumbers;
}

/**
 * Throws DeviceError where a module's kernels are not those that this program was compiled for:
 * wrong arguments would be taken without a word.
 */
export function checkKernels(exports: object): void {
  const found = exports as Record<string, unknown>;
  for (const [name, count] of Object.entries(kernelArguments)) {
    const it = found[name];
    if (typeof it === 'function' && it.length === count && count <= MOST_ARGUMENTS) continue;
    const what = typeof it === 'function' ? `takes ${it.length} arguments` : 'is missing';
    throw new DeviceError(
      `kernel ${name} ${what}, expected ${count}: the kernels are of another version than ` +
        `the program, install or build it again`,
    );
  }
}
