// What backends of this kind do alike, and what each has a file for: `reference/` a loop, `wasm/`
// calls of kernels.
import type { Backend } from '../backend.ts';
import { cacheBytes } from './bytes.ts';
import { CpuCache } from './cache.ts';
import { kmeans } from './kmeans.ts';
import { limits, supportsRows } from './limits.ts';
import type { CpuBackend, RowKernels } from './memory.ts';

/** Bytes and numbers of the memory, as they are. */
export type MemoryOps = Pick<
  CpuBackend,
  'write' | 'copy' | 'readFloats' | 'readInts' | 'bytes' | 'floats' | 'ints'
>;

/** Cached rows: storing, widening, turning and moving them. */
export type RowOps = Pick<
  RowKernels,
  'ropeShift' | 'storeRows' | 'gatherRows' | 'groupRows' | 'compactRows'
>;

/** What rows are worth by themselves. */
export type ScoringOps = Pick<
  Backend,
  'expectedAttention' | 'rowNorms' | 'keyCosines' | 'averagePool'
> &
  Pick<RowKernels, 'valueNorms'>;

/** Caches and k-means, made of a backend's other operations. */
export const cacheOps = (
  backend: () => CpuBackend,
): Pick<Backend, 'limits' | 'supportsRows' | 'cacheBytes' | 'createCache' | 'kmeans'> => ({
  limits,
  supportsRows,
  cacheBytes,
  createCache: (shape) => new CpuCache(backend(), shape),
  kmeans: (vectors, options) => kmeans(backend(), vectors, options),
});
