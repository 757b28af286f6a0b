// Tokens taken in block by block (docs/algorithms.md, 'Blocks under a budget'): the order of the
// steps, what may interrupt them, and who hears of them. run.ts decides what a step has to do,
// block.ts does it.
import type { Run } from './run.ts';

export interface PrefillProgress {
  readonly doneTokens: number;
  readonly totalTokens: number;
  readonly blockMs: number;
  /** Bytes of cached rows after the block. */
  readonly cacheBytes: number;
  /** Which episode's cache is being made, where there are episodes. */
  readonly episode?: number;
}

export interface PrefillOptions {
  readonly signal?: AbortSignal;
  readonly onBlock?: (progress: PrefillProgress) => void;
}

/** Cuts tokens into blocks of `size`, the last one shorter. */
export function* blocksOf(tokens: readonly number[], size: number): Generator<readonly number[]> {
  for (let at = 0; at < tokens.length; at += size) yield tokens.slice(at, at + size);
}

/**
 * Takes tokens in, several blocks at once where layers are in several workers. Rejects with the
 * signal's reason when aborted: the blocks that were begun stay in, the rest does not go in.
 */
export async function prefill(
  run: Run,
  tokens: readonly number[],
  options: PrefillOptions = {},
): Promise<void> {
  let doneTokens = 0;
  let before = performance.now();
  const underWay: Promise<void>[] = [];
  const finish = (block: readonly number[]) => {
    doneTokens += block.length;
    const now = performance.now();
    options.onBlock?.({
      doneTokens,
      totalTokens: tokens.length,
      blockMs: now - before,
      cacheBytes: run.layers.cacheBytes,
    });
    before = now;
  };
  try {
    for (const block of blocksOf(tokens, run.plan.blockSize)) {
      options.signal?.throwIfAborted();
      const { token } = run;
      const done = awaitedLater(run.step(block).then(() => finish(block)));
      // a step that was refused did nothing: throw, as later blocks must not take its place
      if (run.token === token) await done;
      underWay.push(done);
      if (underWay.length >= run.executor.depth) await underWay.shift();
      await pause();
    }
    while (underWay.length > 0) await underWay.shift();
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** A promise that is awaited later: what goes wrong is no unhandled rejection until then. */
export function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Lets timers, aborts and other work have their turn. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
