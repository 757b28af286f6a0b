// What the main thread and the workers of a pipeline say to one another.
//
//   main ── begin, rows, finish ──> each worker               while the model is loaded
//   main ── command ──> worker 0 ── command, hidden ──> worker 1 ── ... ──> last
//   each worker ── done, with the bytes of its cache, or what went wrong ──> main
//
// Commands go through the workers in one order, each doing its part, so nothing has to be agreed
// upon, and the next may follow at once.
import type { Activations } from '../../backend/rounding.ts';
import type { Compiled } from '../../backend/wasm/core.ts';
import type { Failure } from '../../errors.ts';
import type { Place, TokenSpan } from '../../backend/cache.ts';
import type { Extent, Mark } from '../../backend/state.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { Input } from '../../model/forward.ts';
import type { TensorInfo } from '../../model/gguf.ts';
import type { LayerRange } from '../../model/tensors.ts';
import type { PolicyData } from './policy-data.ts';
import type { Plan } from '../plan.ts';
import type { Step } from '../block.ts';

/** What a worker begins with. */
export interface Begin {
  readonly kind: 'begin';
  /** Its number, from 0, and its layers. */
  readonly stage: number;
  readonly range: LayerRange;
  readonly config: ModelConfig;
  readonly tensors: readonly TensorInfo[];
  readonly kernels: Compiled;
  readonly activations: Activations;
  /** Most bytes of its memory. */
  readonly limitBytes: number;
  /** From the worker before, and to the one behind. */
  readonly before?: MessagePort;
  readonly behind?: MessagePort;
}

/** Rows of a tensor, by its place in `tensors`, as the file has them. */
export interface Rows {
  readonly kind: 'rows';
  readonly tensor: number;
  readonly row: number;
  readonly rows: number;
  readonly bytes: Uint8Array;
}

/** All rows were sent. */
export interface Finish {
  readonly kind: 'finish';
}

/** A plan whose policy is data. */
export type PlanData = Omit<Plan, 'policy'> & { readonly policy: PolicyData };

/** What all layers of a conversation are to do, each stage its part. */
export type Task =
  | { readonly kind: 'open'; readonly plan: PlanData }
  | {
      readonly kind: 'step';
      readonly block: Input;
      readonly prompt?: Input;
      readonly step: Step;
      readonly reports: boolean;
    }
  | { readonly kind: 'append'; readonly tokens: Input; readonly place: Place }
  | { readonly kind: 'logits'; readonly t: number }
  | { readonly kind: 'mark' | 'rewind'; readonly mark: Mark }
  | { readonly kind: 'clear' }
  | { readonly kind: 'save' }
  // a piece goes to one stage, and comes back filled, or emptied
  | { readonly kind: 'read'; readonly stage: number; readonly piece: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'restore'; readonly extents: readonly Extent[] }
  | {
      readonly kind: 'write';
      readonly stage: number;
      readonly piece: Uint8Array<ArrayBuffer>;
      readonly count: number;
    }
  | { readonly kind: 'restored' }
  | { readonly kind: 'held'; readonly spans: readonly TokenSpan[] }
  | { readonly kind: 'embed'; readonly tokens: readonly number[] }
  | { readonly kind: 'close' };

/** Whether one worker answers, not each. */
export const answersOnce = ({ kind }: Task): boolean =>
  kind === 'logits' || kind === 'embed' || kind === 'read' || kind === 'write';

export interface Command {
  readonly kind: 'command';
  readonly id: number;
  /** The conversation. */
  readonly session: number;
  readonly task: Task;
}

/** A worker's answer to a command: a value, or what went wrong. */
export interface Done {
  readonly kind: 'done';
  readonly id: number;
  readonly stage: number;
  readonly value?: unknown;
  readonly failure?: Failure;
  /** Bytes of the conversation's rows in its layers, and the most there were. */
  readonly cacheBytes: number;
  readonly peakCacheBytes: number;
  /** What its layers kept in a step, where that was asked for. */
  readonly kept?: readonly { readonly layer: number; readonly tokens: readonly Int32Array[] }[];
}

/**
 * While the model is loaded: it has begun, `bytes` were stored, it is ready; or what went wrong.
 */
export type Loading =
  | { readonly kind: 'begun' }
  | { readonly kind: 'stored'; readonly bytes: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: Failure };

export type ToWorker = Begin | Rows | Finish | Command;
export type FromWorker = Loading | Done;
