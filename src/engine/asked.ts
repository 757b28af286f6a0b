// What was asked of layers that may be lost, until it is done.
import type { Layers } from './executor.ts';
import type { Change } from './journal.ts';

/** Something that was asked for, in its place among the others. */
export interface Asked {
  work(layers: Layers): Promise<unknown>;
  /** What it has changed once it is done, or has failed; undefined: nothing, or all is over. */
  leaves?(result: unknown): Change | undefined;
  readonly onFailure: 'none' | 'clear' | 'end';
  resolve(result: unknown): void;
  reject(error: unknown): void;
  isDone: boolean;
  left?: Change;
}
