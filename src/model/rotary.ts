// Angles of the rotary position embedding, in f64 so that far positions stay exact, written as f32
// tables that kernels read.
import type { Backend } from '../backend/backend.ts';
import type { Address } from '../backend/tensor.ts';

/** How positions are rotated into queries and keys. */
export interface RopeSpec {
  /** Which dimensions of a head rotate together: (2j, 2j + 1) or (j, j + dims / 2). */
  readonly style: 'pairs' | 'halves';
  /** Leading dimensions of a head that are rotated. */
  readonly dims: number;
  readonly base: number;
  /** Positions are divided by this (linear scaling); 1 as a rule. */
  readonly scale: number;
  /** Whether a file may have a factor for each frequency (Llama 3). */
  readonly factors: boolean;
}

/** Writes [cos of rotated / 2 angles | sin] rows for positions. */
export interface Rotary {
  /**
   * Row i of f32 [count, dims] at `to` = the angles of position first + i * step (default 1).
   * Negative positions rotate backwards.
   */
  write(backend: Backend, to: Address, first: number, count: number, step?: number): void;
  /**
   * Row i of f32 [count, dims] at `to` = the mean of the rotations that take the i-th of
   * `count` tokens to each of the `ahead` positions behind them.
   */
  writeAhead(backend: Backend, to: Address, count: number, ahead: number): void;
}

/**
 * theta_j = base^(-2j / dims) / factor_j, an angle = position * theta_j (divided by the linear
 * scale).
 */
export function createRotary({ base, dims, scale }: RopeSpec, factors?: readonly number[]): Rotary {
  const half = dims / 2;
  const frequencies = Float64Array.from(
    { length: half },
    (_, j) => base ** ((-2 * j) / dims) / (factors?.[j] ?? 1) / scale,
  );
  return {
    write(backend, to, first, count, step = 1) {
      const table = new Float32Array(count * 2 * half);
      for (let i = 0; i < count; i++) {
        const row = i * 2 * half;
        for (let j = 0; j < half; j++) {
          const angle = (first + i * step) * frequencies[j];
          table[row + j] = Math.cos(angle);
          table[row + half + j] = Math.sin(angle);
        }
      }
      backend.write(to, table);
    },
    writeAhead(backend, to, count, ahead) {
      const table = new Float32Array(count * 2 * half);
      for (let j = 0; j < half; j++) {
        // token i is count - i .. count - i + ahead - 1 positions away: sums over a window that
        // slides from the last token to the first
        let [cos, sin] = [0, 0];
        for (let distance = 1; distance <= ahead; distance++) {
          cos += Math.cos(distance * frequencies[j]);
          sin += Math.sin(distance * frequencies[j]);
        }
        for (let i = count - 1; i >= 0; i--) {
          table[i * 2 * half + j] = cos / ahead;
          table[i * 2 * half + half + j] = sin / ahead;
          const nearest = count - i;
          cos += Math.cos((nearest + ahead) * frequencies[j]) - Math.cos(nearest * frequencies[j]);
          sin += Math.sin((nearest + ahead) * frequencies[j]) - Math.sin(nearest * frequencies[j]);
        }
      }
      backend.write(to, table);
    },
  };
}
