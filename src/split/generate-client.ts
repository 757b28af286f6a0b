// The client's half of a conversation: tokens through the layers before the cut, their hidden
// states to the server, and the tokens that it draws back through the same layers.
import { blocksOf } from '../engine/prefill.ts';
import type { FinishReason } from '../engine/decode.ts';
import type { SampleOptions } from '../engine/sampling/options.ts';
import { ContextError } from '../errors.ts';
import { type Ask, expectAnswer } from './batch-questions.ts';
import { ConversationFrames, type FrameOptions } from './generate-frames.ts';
import { ConversationLayers, type ConversationShape } from './generate-layers.ts';
import type { HalfModel } from './load.ts';

export interface ReplyOptions extends Required<SampleOptions> {
  readonly maxTokens: number;
  readonly endTokens: ReadonlySet<number>;
  readonly signal?: AbortSignal;
}

/** Blocks on their way at once: both sides compute while others travel. */
const DEPTH = 2;

export class SplitConversation {
  readonly #layers: ConversationLayers;
  readonly #frames: ConversationFrames;
  readonly #ask: Ask;
  readonly #shape: ConversationShape;
  /** Why the two sides may not stand at the same token any more. */
  #failure?: { readonly error: unknown };

  /**
   * `bits`: of each channel, learned ones. Throws OptionError, BudgetError, and DeviceError where
   * memory ends; nothing is left reserved then.
   */
  constructor(
    model: Pick<HalfModel, 'network' | 'config'>,
    ask: Ask,
    shape: ConversationShape & FrameOptions,
    bits?: Uint8Array,
  ) {
    this.#frames = new ConversationFrames(shape, model.config.width, shape.block);
    if (bits) this.#frames.setBits(bits);
    this.#layers = new ConversationLayers(model, shape);
    this.#ask = ask;
    this.#shape = shape;
  }

  /** Tokens that both sides have. */
  get count(): number {
    return this.#layers.count;
  }

  /**
   * Takes tokens in, block by block. Throws ContextError, before any goes in, where they do not
   * fit; the signal's reason, between two blocks.
   */
  async add(tokens: readonly number[], signal?: AbortSignal): Promise<void> {
    this.#checkRoom(tokens.length);
    const underWay: Promise<unknown>[] = [];
    try {
      for (const block of blocksOf(tokens, this.#shape.block)) {
        signal?.throwIfAborted();
        const done = this.#send('prefill', block);
        done.catch(() => undefined); // whoever awaits it hears of it
        underWay.push(done);
        if (underWay.length >= DEPTH) await underWay.shift();
      }
      while (underWay.length > 0) await underWay.shift();
    } finally {
      await Promise.allSettled(underWay);
    }
  }

  /**
   * Takes tokens in, then yields one token after the other that the server draws, the ending one
   * not included; it ends where the context is full, too. The last one that is yielded is not taken
   * in any more, as in `decode` of the engine. Throws as add() does.
   */
  async *reply(
    prompt: readonly number[],
    { maxTokens, endTokens, signal, ...sampling }: ReplyOptions,
  ): AsyncGenerator<number, FinishReason> {
    if (prompt.length === 0)
      throw new ContextError('there is nothing to reply to: give a token at least');
    this.#checkRoom(prompt.length);
    const { context, block } = this.#shape;
    const lead = Math.floor((prompt.length - 1) / block) * block;
    const last = prompt.slice(lead);
    await this.add(prompt.slice(0, lead), signal);
    await this.#settle(expectAnswer('done', this.#ask({ kind: 'sampling', ...sampling })));
    let next: readonly number[] = last;
    for (let count = 0; count < maxTokens; count++) {
      signal?.throwIfAborted();
      const token = await this.#send('decode', next);
      if (endTokens.has(token)) return 'end';
      yield token;
      if (this.count === context) break;
      next = [token];
    }
    return 'length';
  }

  /** The conversation is over: the server gives back what it holds of it. */
  async end(): Promise<void> {
    await expectAnswer('done', this.#ask({ kind: 'end' }));
  }

  dispose(): void {
    this.#layers.dispose();
  }

  /** Hidden states of tokens to the server: the token it draws behind them, or -1. */
  async #send(kind: 'prefill' | 'decode', tokens: readonly number[]): Promise<number> {
    if (this.#failure) throw this.#failure.error;
    const at = this.count;
    const count = tokens.length;
    const made = this.#layers.append(tokens);
    return this.#settle(
      (async () => {
        const x = this.#frames.encode((await made)!, count, at);
        const asked = this.#ask({ kind, at, tokens: count, x });
        if (kind === 'decode') return (await expectAnswer('drawn', asked)).token;
        await expectAnswer('done', asked);
        return -1;
      })(),
    );
  }

  /** What fails leaves the two sides at different tokens: all later calls fail as it did. */
  async #settle<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  #checkRoom(tokens: number): void {
    if (this.#failure) throw this.#failure.error;
    const { context } = this.#shape;
    if (this.count + tokens > context)
      throw new ContextError(
        `${tokens} tokens behind ${this.count} do not fit into a context of ${context}: give ` +
          `fewer, or open a conversation with a longer one`,
      );
  }
}
