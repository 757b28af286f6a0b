// A reply, token by token, behind a prompt of at most one block.
import { ContextError } from '../errors.ts';
import { awaitedLater, pause } from './prefill.ts';
import type { Run } from './run.ts';
import { notFinite } from './sampling/argmax.ts';
import type { Sampler } from './sampling/sampler.ts';

export interface DecodeOptions {
  /** Where tokens are drawn on a device it has to say how: a plain function reads log-odds. */
  readonly sample: ((logits: Float32Array) => number) & Partial<Pick<Sampler, 'by' | 'random'>>;
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

/** Tokens that a device draws before they are read: more would come in bursts that one sees. */
const DRAWN_AT_ONCE = 4;

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
  const asked = awaitedLater(run.append(prompt));
  const { by, random } = options.sample;
  return by && random && run.draws
    ? yield* drawn(run, asked, prompt.length, options, { by, random })
    : yield* read(run, asked, prompt.length, options);
}

/** Draws from log-odds that are read, one token at a time. */
async function* read(
  run: Run,
  appended: Promise<void>,
  count: number,
  options: DecodeOptions,
): AsyncGenerator<number, FinishReason> {
  let asked = appended;
  let last = count - 1;
  let turn = performance.now();
  for (let count = 0; count < options.maxTokens; count++) {
    const [token] = await Promise.all([run.read(last, options.sample), asked]);
    if (options.endTokens.has(token)) return 'end';
    yield token;
    options.signal?.throwIfAborted();
    if (count + 1 === options.maxTokens) break;
    if (!mayGoOn(run, options)) break;
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

/** Has several tokens drawn where the log-odds are, and reads the tokens. */
async function* drawn(
  run: Run,
  asked: Promise<void>,
  count: number,
  { maxTokens, endTokens, signal, evict }: DecodeOptions,
  { by, random }: Pick<Sampler, 'by' | 'random'>,
): AsyncGenerator<number, FinishReason> {
  await asked;
  let last = count - 1;
  for (let left = maxTokens; left > 0;) {
    // the last one need not be appended
    const { room } = run;
    const many = Math.min(DRAWN_AT_ONCE, left, room + 1);
    const appendsLast = many < left && many <= room;
    const randoms = Array.from({ length: many }, random);
    const tokens = await run.draw(last, by, randoms, appendsLast);
    const appended = many - (appendsLast ? 0 : 1);
    for (const [i, token] of tokens.entries()) {
      if (token < 0) throw notFinite(await run.logits(0));
      if (endTokens.has(token)) {
        await run.takeBack(Math.max(0, appended - i));
        return 'end';
      }
      yield token;
      signal?.throwIfAborted();
    }
    left -= many;
    last = 0;
    if (left === 0 || appendsLast) continue;
    if (!mayGoOn(run, { evict })) break;
    await run.append([tokens[many - 1]]);
  }
  return 'length';
}

/** Whether another token can go in. */
const mayGoOn = (run: Run, { evict }: Pick<DecodeOptions, 'evict'>): boolean =>
  (evict && run.plan.policy.evicts) || run.room >= 1;
