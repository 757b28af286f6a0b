// What the operations of this folder share: a core's memory, who makes the calls, and the loop over
// heads that get scores.
import type { Arena } from '../arena.ts';
import { type WeightType, weightTypes } from '../dtype.ts';
import type { CpuScores, HeadRows } from '../cpu/memory.ts';
import type { Activations } from '../rounding.ts';
import type { Address } from '../tensor.ts';
import type { Call } from './call.ts';
import type { Core, Kernels } from './core.ts';
import type { Schedule } from './schedule.ts';

export interface Context extends Pick<Schedule, 'numbers' | 'share' | 'parts' | 'scratch'> {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  readonly arena: Arena;
  /** How products with a type want their activations: a number of assembly/gemm/rounded.ts. */
  formatOf(type: WeightType): number;
  /** See Backend. */
  inEightBits(run: () => void): void;
}

export function createContext(
  core: Core,
  arena: Arena,
  schedule: Schedule,
  activations: Activations,
): Context {
  const { kernels, memory } = core;
  const { numbers, share, parts, scratch } = schedule;
  // (asked once: a token asks some hundred times)
  const formatsOf = (eight: boolean) =>
    weightTypes.map(({ number }) => kernels.input_format(number, eight));
  const fine = formatsOf(activations === 'int8');
  const coarse = formatsOf(activations !== 'int16');
  let formats = fine;
  const inEightBits = (run: () => void) => {
    const before = formats;
    formats = coarse;
    try {
      run();
    } finally {
      formats = before;
    }
  };
  const formatOf = ({ number }: WeightType) => formats[number];
  return { kernels, memory, arena, numbers, share, parts, scratch, formatOf, inEightBits };
}

/** Multiply-adds that an element of normalising, rotating and gating counts as. */
export const ELEMENT_WORK = 8;

/** Makes calls for n rows of so many elements each, which need not know of each other. */
export function shareRows(
  { share, parts }: Context,
  n: number,
  elements: number,
  part: (from: number, count: number) => Call,
): void {
  const work = n * elements * ELEMENT_WORK;
  share(parts(n, 1, work, part), work);
}

/** Calls `each` for every head with the address of its first score. */
export function scoreHeads(
  out: Address,
  heads: readonly HeadRows[],
  unscored: number,
  each: (head: HeadRows, to: Address, scored: number, h: number) => void,
): CpuScores {
  const counts: number[] = [];
  let to = out;
  for (let h = 0; h < heads.length; h++) {
    const scored = heads[h].length - unscored;
    if (scored > 0) each(heads[h], to, scored, h);
    counts.push(scored);
    to += scored * 4;
  }
  return { address: out, counts };
}
