// A bench of backends whose memory this thread sees, for kernels that no contract calls, and for
// gradients.
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import type { Tensor, Weight } from '../../src/backend/tensor.ts';
import type { Training } from '../../src/backend/training.ts';
import { Bench } from './bench.ts';

export class CpuBench extends Bench<CpuBackend> {
  get training(): Training {
    const { training, name } = this.backend;
    if (!training) throw new Error(`backend ${name} cannot train`);
    return training;
  }

  /** Numbers as they are; those of a packed weight as an embedding table gives them. */
  read(tensor: Tensor | Weight, rows: number): number[] {
    if ('type' in tensor) return this.#readWeight(tensor, rows);
    return [...this.backend.floats(tensor.address, rows * tensor.columns)];
  }

  #readWeight(weight: Weight, rows: number): number[] {
    const { arena } = this.backend;
    const ids = arena.allocate(rows * 4);
    const y = { address: arena.allocate(rows * weight.columns * 4), columns: weight.columns };
    this.backend.ints(ids, rows).set(Array.from({ length: rows }, (_, i) => i));
    this.backend.embed(y, weight, ids, rows);
    const numbers = this.read(y, rows);
    arena.free(y.address);
    arena.free(ids);
    return numbers;
  }
}

export interface KernelCase {
  readonly op: string;
  readonly sizes: readonly (readonly number[])[];
  /** As of a case of the contract (case.ts). */
  readonly tolerance: number;
  run(b: CpuBench, size: readonly number[]): number[];
}
