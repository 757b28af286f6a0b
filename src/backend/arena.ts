// Addresses in one linear memory, first fit with coalescing. It knows numbers only; the memory
// grows through the function it is given.
import { DeviceError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import type { Address } from './tensor.ts';

const ALIGNMENT = 64; // a cache line, so that no two regions share one

export interface Arena {
  /**
   * Reserves `bytes`, 64-byte aligned, contents undefined. Throws DeviceError where the memory
   * cannot grow.
   */
  allocate(bytes: number): Address;
  /**
   * Reserves addresses as `allocate` does, but no memory: it is there only up to where `touch` was
   * called.
   */
  plan(bytes: number): Address;
  /** Makes the memory reach `end`. Throws DeviceError where it cannot grow. */
  touch(end: Address): void;
  /** Gives a region back. Throws RangeError for an address that is not allocated. */
  free(address: Address): void;
  /** Bytes allocated now. */
  readonly usedBytes: number;
}

/**
 * An arena from `base` up to `limit`; `reserve(end)` makes the memory at least `end` bytes long or
 * throws.
 */
export function createArena(base: number, limit: number, reserve: (end: number) => void): Arena {
  const start = Math.ceil(base / ALIGNMENT) * ALIGNMENT;
  const taken = new Map<Address, number>();
  let free: { at: number; size: number }[] = [{ at: start, size: limit - start }];
  let usedBytes = 0;
  const arena: Arena = {
    get usedBytes() {
      return usedBytes;
    },
    allocate(bytes) {
      const at = arena.plan(bytes);
      try {
        reserve(at + taken.get(at)!);
      } catch (error) {
        arena.free(at);
        throw error;
      }
      return at;
    },
    touch: reserve,
    plan(bytes) {
      const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
      const hole = free.find((h) => h.size >= size);
      if (!hole) {
        throw new DeviceError(
          `no room for ${formatBytes(bytes)} beside the ${formatBytes(usedBytes)} in use: one ` +
            `wasm memory holds ` +
            `${formatBytes(limit)}. Dispose of sessions or models, or choose a smaller model or ` +
            `budget.`,
        );
      }
      const at = hole.at;
      hole.at += size;
      hole.size -= size;
      if (hole.size === 0) free = free.filter((h) => h !== hole);
      taken.set(at, size);
      usedBytes += size;
      return at;
    },
    free(address) {
      const size = taken.get(address);
      if (size === undefined) throw new RangeError(`address ${address} is not allocated`);
      taken.delete(address);
      usedBytes -= size;
      free.push({ at: address, size });
      free.sort((a, b) => a.at - b.at);
      const merged: typeof free = [];
      for (const hole of free) {
        const last = merged.at(-1);
        if (last && last.at + last.size === hole.at) last.size += hole.size;
        else merged.push(hole);
      }
      free = merged;
    },
  };
  return arena;
}
