// Who makes a backend's kernel calls, and where they have their scratch: this thread alone, or a
// team where the work is worth it.
import type { Arena } from '../arena.ts';
import type { Address } from '../tensor.ts';
import { Board, BOARD_BYTES, MOST_CALLS } from './board.ts';
import { type Call, type KernelNumbers, numbersOf } from './call.ts';
import type { Core } from './core.ts';
import type { Team } from './team.ts';

/** Multiply-adds below which work is not worth sharing: some microseconds. */
const WORTH_SHARING = 1 << 17;
/** Calls a thread, where work can be cut freely: so that one that comes late still finds some. */
const CALLS_PER_THREAD = 4;

/** Bytes of scratch: common to all threads, and of each. */
export interface ScratchSize {
  readonly common: number;
  readonly own: number;
}

export interface Schedule {
  /** What a call names each kernel by. */
  readonly numbers: KernelNumbers;
  /** The threads beside this one. */
  readonly team?: Team;
  /**
   * Where the common part of the scratch lies, and this thread's own. They move as reservations
   * come and go.
   */
  readonly scratch: { readonly common: Address; readonly own: Address };
  /** Makes calls, on all threads where they are `work` multiply-adds or more. */
  share(calls: readonly Call[], work: number): void;
  /**
   * Cuts 0 .. n into parts of a multiple of `unit`, and makes a call of each: so many parts as
   * threads want of all there is to do, `of` in total.
   */
  parts(
    n: number,
    unit: number,
    work: number,
    call: (from: number, count: number) => Call,
    of?: number,
  ): Call[];
  /** Bytes that reserve() takes for a size, all threads' together. */
  bytesOf(size: ScratchSize): number;
  /**
   * Sets scratch aside, as large as the largest live reservation: operations run one after the
   * other. With the last one released, threads end.
   */
  reserve(size: ScratchSize): () => void;
  /** Ends the threads. */
  stop(): void;
}

export interface ScheduleOptions {
  /** Threads, this one included. Default 1. */
  readonly threads?: number;
  /** Multiply-adds from which work is shared. */
  readonly worthSharing?: number;
  /** Makes the threads beside this one, wanted where there are any. */
  readonly teamOf?: (board: Board) => Team;
}

export function createSchedule(core: Core, arena: Arena, options: ScheduleOptions = {}): Schedule {
  const { threads: size = 1, worthSharing = WORTH_SHARING, teamOf } = options;
  const { kernels } = core;
  const board = new Board(
    kernels,
    0,
    size > 1 ? new SharedArrayBuffer(BOARD_BYTES) : new ArrayBuffer(BOARD_BYTES),
  );
  const team = size > 1 ? teamOf?.(board) : undefined;
  const { scratch, bytesOf, reserve, clear } = createScratch(arena, size, board, () =>
    team?.stop(),
  );

  return {
    numbers: numbersOf(kernels),
    team,
    scratch,
    bytesOf,
    share(calls, work) {
      if (team && calls.length > 1 && work >= worthSharing)
        for (let i = 0; i < calls.length; i += MOST_CALLS) team.run(calls.slice(i, i + MOST_CALLS));
      else for (const call of calls) board.call(call);
    },
    parts(n, unit, work, call, of = n) {
      const wanted =
        team && work >= worthSharing
          ? Math.min(
              size * CALLS_PER_THREAD,
              Math.max(size, Math.floor((2 * work) / WORTH_SHARING)),
            )
          : 1;
      const step = Math.max(unit, Math.ceil(of / wanted / unit) * unit);
      if (step >= n) return n > 0 ? [call(0, n)] : [];
      return Array.from({ length: Math.ceil(n / step) }, (_, i) =>
        call(i * step, Math.min(step, n - i * step)),
      );
    },
    reserve,
    stop() {
      clear();
      team?.stop();
    },
  };
}

/**
 * The scratch of all threads: one region, as large as the largest live reservation. `idle` is
 * called with the last one released.
 */
function createScratch(arena: Arena, threads: number, board: Board, idle: () => void) {
  const reservations = new Set<ScratchSize>();
  const scratch = { common: 0, own: 0 };
  let region: Address = 0;
  let held: ScratchSize = { common: 0, own: 0 };
  const bytesOf = ({ common, own }: ScratchSize) => common + own * threads;

  function fit(): void {
    const most = { common: 0, own: 0 };
    for (const r of reservations)
      for (const part of ['common', 'own'] as const) most[part] = Math.max(most[part], r[part]);
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

  function reserve(wanted: ScratchSize): () => void {
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
      if (reservations.size === 0) idle();
    };
  }

  return { scratch, bytesOf, reserve, clear: () => reservations.clear() };
}
