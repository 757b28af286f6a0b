// What a case of an operation says: sizes that hurt (0, 1, around the tiles of 4 and 8 rows and of
// 64 cached rows, primes), how far a result may be from the f64 reference, and how to run it on
// whatever keeps the contract of a backend. Suites, benches and gradients share it.
import type { ScratchShape } from '../../src/backend/backend.ts';
import type { RowType } from '../../src/backend/dtype.ts';
import type { Bench } from './bench.ts';

/** The scratch that every case finds enough. */
export const opScratch: ScratchShape = {
  tokens: 72,
  queryHeads: 8,
  kvHeads: 1,
  headDim: 128,
  width: 2048,
  clusters: 16,
  training: true,
  recurrentKeys: 128,
  experts: { experts: 64, used: 4, width: 256, inner: 256 },
};

/**
 * How far a device may be from the reference, where its arithmetic is looser than that of kernels:
 * fused and reordered sums; exponentials, whose error WGSL lets grow with the argument; halves, of
 * which the neighbour may be met.
 */
export const deviceTolerances = { sums: 1e-5, exponentials: 3e-5, halves: 1e-3 } as const;

/** Cached rows that a size needs. */
export interface NeededRows {
  readonly type: RowType;
  headDim(size: readonly number[]): number;
}

export interface OpCase {
  readonly op: string;
  /** For every backend: few, as a device may be a slow one. */
  readonly sizes: readonly (readonly number[])[];
  /** For backends of kernels besides: around their tiles, and what differs in a constant only. */
  readonly more?: readonly (readonly number[])[];
  /**
   * Largest difference from the reference, relative to the largest number of the result (or 1). 0 =
   * the same.
   */
  readonly tolerance: number;
  /** Of kernels, where they round what they multiply (assembly/coded). Default: `tolerance`. */
  readonly kernels?: number;
  /** On a device: by the name of why it is looser. Default: sums, or the same where that is 0. */
  readonly device?: keyof typeof deviceTolerances;
  /** Whether a device may take numbers below 2^-126 for 0. */
  readonly denormals?: true;
  readonly rows?: NeededRows;
  /** A group of operations that a backend may lack. */
  readonly needs?: 'recurrent' | 'experts';
  run(b: Bench, size: readonly number[]): Promise<number[]>;
}

/** The tolerance of a case for a kind of backend. */
export function toleranceOf(
  { tolerance, kernels = tolerance, device }: OpCase,
  isDevice: boolean,
): number {
  if (!isDevice) return kernels;
  if (device) return Math.max(tolerance, deviceTolerances[device]);
  return tolerance === 0 ? 0 : Math.max(tolerance, deviceTolerances.sums);
}

export const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
