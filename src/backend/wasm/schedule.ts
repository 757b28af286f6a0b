// Who makes a backend's kernel calls, and where they have their scratch: this thread alone, or a team where the work is worth it.
import type { Arena } from '../arena.ts';
import type { Address } from '../tensor.ts';
import { OptionError } from '../../errors.ts';
import { runtime } from '#runtime';
import { Board, BOARD_BYTES, type Call, MOST_CALLS, namesOf } from './board.ts';
import { canShareMemory, type Core, type Kernels } from './core.ts';
import { Team } from './team.ts';

/** Multiply-adds below which work is not worth sharing: some microseconds. */
const WORTH_SHARING = 1 << 17;
/** Calls a thread, where work can be cut freely: so that one that comes late still finds some. */
const CALLS_PER_THREAD = 4;
const MOST_THREADS = 16;
/** Cores from which on half of them are taken to be second threads of the other half. */
const MANY_CORES = 8;

export type KernelName = { [K in keyof Kernels]: Kernels[K] extends (...args: never[]) => unknown ? K : never }[keyof Kernels];

/** Bytes of scratch: common to all threads, and of each. */
export interface ScratchSize {
  readonly common: number;
  readonly own: number;
}

/** How many threads. Throws OptionError for a number that cannot be. */
export function chooseThreads(threads: number | 'auto' = 'auto'): number {
  if (threads !== 'auto') {
    if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS)
      throw new OptionError(`threads is ${threads}, expected a whole number from 1 to ${MOST_THREADS}, or 'auto'`);
    if (threads > 1 && !canShareMemory())
      throw new OptionError(`${threads} threads were asked for where memory cannot be shared: serve the page with cross-origin isolation, or use 1 or 'auto'`);
    return threads;
  }
  if (!canShareMemory()) return 1;
  const { cores } = runtime;
  return Math.min(MANY_CORES, cores < MANY_CORES ? cores : Math.ceil(cores / 2));
}

export interface Schedule {
  /** What a call names each kernel by. */
  readonly numbers: Readonly<Record<KernelName, number>>;
  /** The threads beside this one. */
  readonly team?: Team;
  /** Where the common part of the scratch lies, and this thread's own. They move as reservations come and go. */
  readonly scratch: { readonly common: Address; readonly own: Address };
  /** Makes calls, on all threads where they are `work` multiply-adds or more. */
  share(calls: readonly Call[], work: number): void;
  /** Cuts 0 .. n into parts of a multiple of `unit`, and makes a call of each: so many parts as threads want of all there is to do, `of` in total. */
  parts(n: number, unit: number, work: number, call: (from: number, count: number) => Call, of?: number): Call[];
  /** Bytes that reserve() takes for a size, all threads' together. */
  bytesOf(size: ScratchSize): number;
  /** Sets scratch aside, as large as the largest live reservation: operations run one after the other. With the last one released, threads end. */
  reserve(size: ScratchSize): () => void;
  /** Ends the threads. */
  stop(): void;
}

export function createSchedule(core: Core, arena: Arena, size: number, worthSharing = WORTH_SHARING): Schedule {
  const { kernels } = core;
  const board = new Board(kernels, 0, size > 1 ? new SharedArrayBuffer(BOARD_BYTES) : new ArrayBuffer(BOARD_BYTES));
  const team = size > 1 ? new Team(core, board, size) : undefined;
  const reservations = new Set<ScratchSize>();
  const scratch = { common: 0, own: 0 };
  let region: Address = 0;
  let held: ScratchSize = { common: 0, own: 0 };
  const bytesOf = ({ common, own }: ScratchSize) => common + own * size;

  function fit(): void {
    const most = { common: 0, own: 0 };
    for (const r of reservations) for (const part of ['common', 'own'] as const) most[part] = Math.max(most[part], r[part]);
    if (most.common === held.common && most.own === held.own) return;
    if (region > 0) arena.free(region);
    region = 0;
    held = { common: 0, own: 0 };
    if (most.own > 0) region = arena.allocate(bytesOf(most));
    held = most;
    scratch.common = region;
    scratch.own = region + most.common;
    board.setScratch(scratch.own, most.own);
  }

  return {
    numbers: Object.fromEntries(namesOf(kernels).map((name, i) => [name, i])) as Record<KernelName, number>,
    team,
    scratch,
    bytesOf,
    share(calls, work) {
      if (team && calls.length > 1 && work >= worthSharing) for (let i = 0; i < calls.length; i += MOST_CALLS) team.run(calls.slice(i, i + MOST_CALLS));
      else for (const call of calls) board.call(call);
    },
    parts(n, unit, work, call, of = n) {
      const wanted = team && work >= worthSharing ? Math.min(size * CALLS_PER_THREAD, Math.max(size, Math.floor((2 * work) / WORTH_SHARING))) : 1;
      const step = Math.max(unit, Math.ceil(of / wanted / unit) * unit);
      if (step >= n) return n > 0 ? [call(0, n)] : [];
      return Array.from({ length: Math.ceil(n / step) }, (_, i) => call(i * step, Math.min(step, n - i * step)));
    },
    reserve(wanted) {
      const reservation = { ...wanted };
      reservations.add(reservation);
      try {
        fit();
      } catch (error) {
        reservations.delete(reservation);
        fit();
        throw error;
      }
      return () => {
        if (!reservations.delete(reservation)) return;
        fit();
        if (reservations.size === 0) team?.stop();
      };
    },
    stop() {
      reservations.clear();
      team?.stop();
    },
  };
}
