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
  /** The tensor of what each frequency is divided by (Llama 3, longrope), where a file has it. */
  readonly factors?: string | undefined;
  /** Slow frequencies alone are scaled (YaRN). */
  readonly yarn?: YarnSpec | undefined;
  /** What rotated dimensions of queries and keys are multiplied by. Default 1. */
  readonly magnitude?: number;
  /** Pairs that do not turn, in text (sections of positions in several dimensions). */
  readonly still?: readonly number[] | undefined;
  /**
   * What queries are multiplied by at position p: 1 + scale ln(1 + floor(p / length)). The rope is
   * one of queries alone then, and turns all of a head.
   */
  readonly temperature?: { readonly scale: number; readonly length: number } | undefined;
}

/** YaRN (arXiv 2309.00071): its factor, and the turns within the trained context between which. */
export interface YarnSpec {
  readonly factor: number;
  readonly contextLength: number;
  readonly fast: number;
  readonly slow: number;
}

/** Writes [cos of rotated / 2 angles | sin] rows for positions. */
export interface Rotary {
  /**
   * Row i of f32 [count, dims] at `to` = what queries and keys at position first + i go through.
   */
  write(backend: Backend, to: Address, first: number, count: number): void;
  /**
   * Row i of f32 [count, dims] at `to` = the rotation by first + i * step positions (default 1):
   * what a key goes through that moves so far. Negative ones rotate backwards.
   */
  writeTurns(backend: Backend, to: Address, first: number, count: number, step?: number): void;
  /**
   * Row i of f32 [count, dims] at `to` = the mean of the rotations that take the i-th of
   * `count` tokens to each of the `ahead` positions behind them.
   */
  writeAhead(backend: Backend, to: Address, count: number, ahead: number): void;
}

/**
 * theta_j = base^(-2j / dims) / factor_j, an angle = position * theta_j, scaled (divided by the
 * linear scale, or as YaRN says).
 */
export function createRotary(spec: RopeSpec, factors?: readonly number[]): Rotary {
  const { magnitude = 1, temperature } = spec;
  const half = spec.dims / 2;
  const frequencies = frequenciesOf(spec, factors);
  const rows = (first: number, count: number, step: number, by: (position: number) => number) => {
    const table = new Float32Array(count * 2 * half);
    for (let i = 0; i < count; i++) {
      const row = i * 2 * half;
      const position = first + i * step;
      const factor = by(position);
      for (let j = 0; j < half; j++) {
        const angle = position * frequencies[j];
        table[row + j] = factor * Math.cos(angle);
        table[row + half + j] = factor * Math.sin(angle);
      }
    }
    return table;
  };
  const heat = (position: number) =>
    temperature
      ? 1 + temperature.scale * Math.log(1 + Math.floor(position / temperature.length))
      : 1;
  return {
    write(backend, to, first, count) {
      backend.write(
        to,
        rows(first, count, 1, (position) => magnitude * heat(position)),
      );
    },
    writeTurns(backend, to, first, count, step = 1) {
      backend.write(
        to,
        rows(first, count, step, () => 1),
      );
    },
    writeAhead(backend, to, count, ahead) {
      backend.write(to, meansAhead(frequencies, count, ahead));
    },
  };
}

/** Angle of each pair from one position to the next. */
function frequenciesOf(
  { base, dims, scale, yarn, still = [] }: RopeSpec,
  factors?: readonly number[],
): Float64Array {
  const keep = yarn ? yarnShares(dims, base, yarn) : undefined;
  return Float64Array.from({ length: dims / 2 }, (_, j) => {
    if (still.includes(j)) return 0;
    const plain = base ** ((-2 * j) / dims) / (factors?.[j] ?? 1) / scale;
    return keep ? plain * (keep[j] + (1 - keep[j]) / yarn!.factor) : plain;
  });
}

/** How much of each frequency YaRN leaves as it is: 1 of fast ones, 0 of slow ones. */
function yarnShares(dims: number, base: number, { contextLength, fast, slow }: YarnSpec): number[] {
  // the pair that turns so often within the trained context
  const pairOf = (turns: number) =>
    (dims * Math.log(contextLength / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(pairOf(fast)));
  const high = Math.min(dims - 1, Math.ceil(pairOf(slow)));
  return Array.from({ length: dims / 2 }, (_, j) => {
    const place = (j - low) / Math.max(0.001, high - low);
    return 1 - Math.min(1, Math.max(0, place));
  });
}

function meansAhead(frequencies: Float64Array, count: number, ahead: number): Float32Array {
  const half = frequencies.length;
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
  return table;
}
