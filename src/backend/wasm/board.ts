// Threads that work on one memory. Whoever has work writes a list of kernel calls; all threads, the
// writer too, take calls off it until none is left. A thread that comes late (still starting, or
// descheduled) is never waited for, only one that has taken a call and not finished it.
//
//   control  i32 [16]: claim | done | sleepers | failed | waiting | ended | serving, a bit a thread
//            claim = turn << 11 | calls left; who lowers it by one has taken that call
//            failed = a kernel's number from 1 on
//   scratch  f64: address of thread 0's, bytes from one thread's to the next: it moves as
//            reservations come and go
//   calls    f64 [MOST_CALLS][CALL]: kernel number | arguments, NaN where the thread's scratch is
//            to stand
import { DeviceError } from '../../errors.ts';
import { type Call, MOST_ARGUMENTS, namesOf } from './call.ts';

const CLAIM = 0;
const DONE = 1;
const SLEEPERS = 2;
const FAILED = 3;
const WAITING = 4;
const ENDED = 5;
const SERVING = 6;
const CONTROL_INTS = 16;
/** What stands under FAILED where a thread did not come back. */
const HUNG = 0x7fffffff;

const LEFT_BITS = 11;
const LEFT_MASK = (1 << LEFT_BITS) - 1;
/** Most calls of one list. */
export const MOST_CALLS = LEFT_MASK;
const CALL = MOST_ARGUMENTS + 1;

/**
 * Looks at the control before a thread goes to sleep: some tens of microseconds, longer than the
 * serial parts of a step.
 */
const SPINS = 20_000;
/** Milliseconds that a call may take a thread once all others are done. */
const PATIENCE_MS = 20_000;

/** What a thread is given to begin with. */
export interface ThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly board: SharedArrayBuffer | ArrayBuffer;
  /** Its number, from 1. */
  readonly thread: number;
}

/** Bytes of a board. */
export const BOARD_BYTES = CONTROL_INTS * 4 + 16 + MOST_CALLS * CALL * 8;

/** The shared list of calls, as each thread sees it. */
export class Board {
  #buffer!: SharedArrayBuffer | ArrayBuffer;
  #control!: Int32Array;
  #calls!: Float64Array;
  #scratch!: Float64Array;
  readonly #names: readonly string[];
  readonly #kernels: ((...args: number[]) => unknown)[];
  readonly #thread: number;
  readonly #patienceMs: number;
  readonly #args = new Float64Array(MOST_ARGUMENTS);
  #turn = 0;
  /** Why a call failed on this thread. */
  #cause: unknown;

  constructor(
    kernels: object,
    thread: number,
    buffer: SharedArrayBuffer | ArrayBuffer,
    patienceMs = PATIENCE_MS,
  ) {
    this.#use(buffer);
    this.#names = namesOf(kernels);
    this.#kernels = this.#names.map(
      (name) => (kernels as Record<string, (...args: number[]) => unknown>)[name],
    );
    this.#thread = thread;
    this.#patienceMs = patienceMs;
  }

  get buffer(): SharedArrayBuffer | ArrayBuffer {
    return this.#buffer;
  }

  /**
   * Sends the other threads home and takes a new list, as some may be on the old one for a moment
   * yet. False where one has failed: it may never look. (They end by themselves: a runtime may not
   * be able to end a thread that sleeps.)
   */
  dismiss(): boolean {
    const { failed, scratch } = {
      failed: Atomics.load(this.#control, FAILED),
      scratch: [...this.#scratch],
    };
    Atomics.store(this.#control, ENDED, 1);
    Atomics.store(
      this.#control,
      CLAIM,
      ((this.#turn + 1) & (0x7fffffff >> LEFT_BITS)) << LEFT_BITS,
    );
    Atomics.notify(this.#control, CLAIM);
    this.#use(new SharedArrayBuffer(BOARD_BYTES));
    this.#scratch.set(scratch);
    Atomics.store(this.#control, FAILED, failed);
    return failed === 0;
  }

  #use(buffer: SharedArrayBuffer | ArrayBuffer): void {
    this.#buffer = buffer;
    this.#control = new Int32Array(buffer, 0, CONTROL_INTS);
    this.#scratch = new Float64Array(buffer, CONTROL_INTS * 4, 2);
    this.#calls = new Float64Array(buffer, CONTROL_INTS * 4 + 16);
  }

  /** Tells where thread 0 has its scratch, and how far apart the threads' are. */
  setScratch(address: number, bytes: number): void {
    this.#scratch.set([address, bytes]);
  }

  /**
   * Makes calls on all threads, and returns when all are done. Throws DeviceError where a thread
   * failed.
   */
  run(calls: readonly Call[]): void {
    const control = this.#control;
    for (let i = 0, at = 0; i < calls.length; i++, at += CALL) {
      const call = calls[i];
      for (let j = 0; j < call.length; j++) this.#calls[at + j] = call[j];
    }
    Atomics.store(control, DONE, 0);
    this.#turn = (this.#turn + 1) & (0x7fffffff >> LEFT_BITS);
    Atomics.store(control, CLAIM, (this.#turn << LEFT_BITS) | calls.length);
    if (Atomics.load(control, SLEEPERS) > 0) Atomics.notify(control, CLAIM);
    while (this.#take()) {}
    this.#await(calls.length);
    const failed = Atomics.load(control, FAILED);
    if (failed !== 0)
      throw new DeviceError(
        `a thread failed in the kernel ${this.#names[failed - 1] ?? '(one that hung)'}: dispose ` +
          `of the model and load it again`,
        { cause: this.#cause },
      );
  }

  /** Makes a call on this thread alone. */
  call(call: Call): void {
    const own = this.#ownScratch();
    const args = this.#args;
    for (let j = 1; j < call.length; j++) args[j - 1] = Number.isNaN(call[j]) ? own : call[j];
    this.#make(call[0]);
  }

  /**
   * Calls a kernel with the arguments at hand: it ignores what is more than it takes. (Spread, they
   * would be garbage for every call.)
   */
  #make(kernel: number): void {
    const a = this.#args;
    this.#kernels[kernel](
      a[0],
      a[1],
      a[2],
      a[3],
      a[4],
      a[5],
      a[6],
      a[7],
      a[8],
      a[9],
      a[10],
      a[11],
      a[12],
      a[13],
      a[14],
      a[15],
      a[16],
      a[17],
      a[18],
    );
  }

  #ownScratch(): number {
    return this.#scratch[0] + this.#thread * this.#scratch[1];
  }

  /** Takes a call off the list and makes it; false where none is left. */
  #take(): boolean {
    const control = this.#control;
    const claim = Atomics.load(control, CLAIM);
    const left = claim & LEFT_MASK;
    if (left === 0) return false;
    const at = (left - 1) * CALL;
    const c = this.#calls;
    const own = this.#ownScratch();
    const kernel = c[at];
    const args = this.#args;
    for (let j = 0; j < MOST_ARGUMENTS; j++) {
      const a = c[at + 1 + j];
      args[j] = Number.isNaN(a) ? own : a;
    }
    // what was read belongs to this claim, or the claim fails
    if (Atomics.compareExchange(control, CLAIM, claim, claim - 1) !== claim) return true;
    try {
      this.#make(kernel);
    } catch (cause) {
      this.#cause = cause;
      Atomics.store(control, FAILED, kernel + 1);
    } finally {
      Atomics.add(control, DONE, 1);
      if (this.#thread !== 0 && Atomics.load(control, WAITING) !== 0) Atomics.notify(control, DONE);
    }
    return true;
  }

  /** Waits for calls that other threads have taken. */
  #await(count: number): void {
    const control = this.#control;
    let begin = 0;
    for (let spins = 0; ; spins++) {
      const done = Atomics.load(control, DONE);
      if (done === count) return;
      if (spins < SPINS) continue;
      spins = 0;
      const now = performance.now();
      begin ||= now;
      if (now - begin > this.#patienceMs) {
        Atomics.store(control, FAILED, HUNG);
        throw new DeviceError(
          `a thread did not finish its call within ${this.#patienceMs / 1000} s: dispose of the ` +
            `model and load it again`,
        );
      }
      if (!mayWait) continue;
      Atomics.store(control, WAITING, 1);
      Atomics.wait(control, DONE, done, 1);
      Atomics.store(control, WAITING, 0);
    }
  }

  /** Whether a thread has begun to work. */
  serves(thread: number): boolean {
    return (Atomics.load(this.#control, SERVING) & (1 << thread)) !== 0;
  }

  /**
   * A thread's life: takes calls, looks for more for a while, sleeps until there are, until it is
   * sent home.
   */
  serve(): void {
    const control = this.#control;
    Atomics.or(control, SERVING, 1 << this.#thread);
    while (Atomics.load(control, ENDED) === 0) {
      if (this.#take()) continue;
      const claim = Atomics.load(control, CLAIM);
      if ((claim & LEFT_MASK) !== 0) continue;
      let spins = 0;
      while (spins < SPINS && Atomics.load(control, CLAIM) === claim) spins++;
      if (spins < SPINS) continue;
      Atomics.add(control, SLEEPERS, 1);
      Atomics.wait(control, CLAIM, claim);
      Atomics.sub(control, SLEEPERS, 1);
    }
  }
}

/** Whether this thread may sleep: a page's own may not. */
const mayWait = !('document' in globalThis);
