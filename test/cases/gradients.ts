// What cases of gradients have in common: an operation, what goes into it, and where the gradient of
// each input is made. Like every case they run on all backends and builds; besides, the reference's
// gradients are held against differences of what its forward operation gives.
import type { Tensor, Weight } from '../../src/backend/tensor.ts';
import type { CpuBench, KernelCase } from './cpu-bench.ts';

/** An input, f32 [rows, columns], and its gradient. */
export interface Variable {
  readonly of: Tensor | Weight;
  readonly gradient: Tensor | Weight;
  readonly rows: number;
  /** Whether the gradient is added to what is there. */
  readonly added?: boolean;
}

/** An operation and its gradient, of one size. */
export interface TwoWay {
  readonly variables: readonly Variable[];
  /** What the operation gives, and the gradient of the loss with respect to it: [rows, columns]. */
  readonly y: Tensor;
  readonly dy: Tensor;
  readonly rows: number;
  /** Makes y, and leaves the inputs as they are. */
  forward(): void;
  /** Makes the gradients; it comes behind forward(), and may overwrite inputs and dy. */
  backward(): void;
}

export interface GradientCase extends KernelCase {
  readonly grad: true;
  twoWay(b: CpuBench, size: readonly number[]): TwoWay;
}

/** A case of an operation whose gradient there is. */
export function gradientCase(
  given: Pick<GradientCase, 'op' | 'sizes' | 'tolerance' | 'twoWay'>,
): GradientCase {
  return {
    ...given,
    grad: true,
    run(b, size) {
      const { variables, y, rows, forward, backward } = given.twoWay(b, size);
      forward();
      const result = b.read(y, rows);
      backward();
      return [...result, ...variables.flatMap((v) => b.read(v.gradient, v.rows))];
    },
  };
}

/** Gradients of all variables, less what was there before where they are added. */
export function gradientsOf(b: CpuBench, { variables, forward, backward }: TwoWay): number[] {
  forward();
  const before = variables.map((v) => (v.added ? b.read(v.gradient, v.rows) : []));
  backward();
  return variables.flatMap((v, i) =>
    b.read(v.gradient, v.rows).map((x, j) => x - (before[i][j] ?? 0)),
  );
}

/** Numbers of a variable that are moved, evenly spread. */
const MOVED = 60;

/**
 * Some of them by central differences of the loss, the sum of y dy, undefined in between; of a
 * reference backend that keeps f64 (reference/memory.ts), where weights lie row after row like any
 * numbers.
 */
export function differencesOf(
  b: CpuBench,
  { variables, y, dy, rows, forward }: TwoWay,
): (number | undefined)[] {
  const weights = b.read(dy, rows);
  const loss = () => {
    forward();
    return b.read(y, rows).reduce((sum, x, i) => sum + x * weights[i], 0);
  };
  return variables.flatMap(({ of, rows: n }) => {
    const numbers = b.backend.floats(of.address, n * of.columns);
    const every = Math.ceil(numbers.length / MOVED);
    return Array.from(numbers, (x, i) => {
      if (i % every !== 0) return undefined;
      const step = 1e-5 * Math.max(1, Math.abs(x));
      numbers[i] = x + step;
      const above = loss();
      numbers[i] = x - step;
      const below = loss();
      numbers[i] = x;
      return (above - below) / (2 * step);
    });
  });
}
