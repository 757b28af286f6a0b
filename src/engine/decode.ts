// A reply, token by token, behind a prompt of at most one block.
import { ContextError } from '../errors.ts';
import { awaitedLater, pause } from './prefill.ts';
import type { Run } from './run.ts';

export interface DecodeOptions {
  readonly sample: (logits: Float32Array) => number;
  readonly maxTokens: number;
  readonly endTokens: ReadonlySet<number>;
  /**
   * Whether rows may be evicted to make room for the reply, where the policy does that; else it
   * ends where the room does.
   */
  readonly evict: boolean;
  readonly signal?: AbortSignal;
}

/** 'end': the model ended its reply; 'length': maxTokens, or the room, was used up. */
export type FinishReason = 'end' | 'length';

/** Milliseconds after which other work gets its turn. */
const TURN_MS = 30;

/**
 * Appends the prompt, then yields one token after the other, the ending one not included. The last
 * token yielded before 'length' is not appended any more. Throws ContextError for a prompt longer
 * than a block, the signal's reason when aborted.
 */
export async function* decode(
  run: Run,
  prompt: readonly number[],
  options: DecodeOptions,
): AsyncGenerator<number, FinishReason> {
  const { blockSize } = run.plan;
  if (prompt.length > blockSize) {
    throw new ContextError(
      `the prompt has ${prompt.length} tokens, a block holds ${blockSize}: shorten it, add its ` +
        `text to the conversation first, or raise blockSize`,
    );
  }
  options.signal?.throwIfAborted();
  let asked = awaitedLater(run.append(prompt));
  let last = prompt.length - 1;
  let turn = performance.now();
  for (let count = 0; count < options.maxTokens; count++) {
    const [token] = await Promise.all([run.read(last, options.sample), asked]);
    if (options.endTokens.has(token)) return 'end';
    yield token;
    options.signal?.throwIfAborted();
    if (count + 1 === options.maxTokens) break;
    if (!(options.evict && run.plan.policy.evicts) && !run.hasRoom(1)) break;
    asked = awaitedLater(run.append([token]));
    last = 0;
    if (performance.now() - turn > TURN_MS) {
      await pause();
      options.signal?.throwIfAborted();
      turn = performance.now();
    }
  }
  return 'length';
}
