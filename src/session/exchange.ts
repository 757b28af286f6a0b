// A question and its reply while they are made. Nothing of them is said yet: whether they become
// part of the conversation is decided by who asked (conversation.ts).
import type { Mark } from '../backend/state.ts';
import { decode, type DecodeOptions } from '../engine/decode.ts';
import { prefill } from '../engine/prefill.ts';
import type { Run } from '../engine/run.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { Meter } from './meter.ts';
import type { Recollection } from './recollection.ts';
import type { Pieces } from './reply.ts';
import type { Heard, QuestionTokens, Talk } from './talk.ts';

/** What an exchange works with. */
export interface ExchangeParts {
  readonly run: Run;
  readonly talk: Talk;
  readonly tokenizer: Tokenizer;
  readonly recollection: Recollection;
  readonly meter: Meter;
}

export interface ReplyOptions extends Pick<DecodeOptions, 'sample' | 'maxTokens' | 'signal'> {
  readonly keep: boolean;
}

export class Exchange implements Heard {
  /** Tokens of the transcript that it stands behind. */
  readonly from: number;
  /** Those of the question, then of the reply. */
  readonly tokens: number[];
  /** The reply so far. */
  readonly replied: number[] = [];
  text = '';
  /** Where the cache stood before what was recalled, and the question behind that. */
  start: Mark;
  /** When the reply's first token came. */
  firstTokenAt = performance.now();
  readonly #asked: readonly number[];
  readonly #parts: ExchangeParts;

  constructor({ from, lead, asked }: QuestionTokens, parts: ExchangeParts) {
    this.from = from;
    this.start = { token: from };
    this.tokens = [...lead, ...asked];
    this.#asked = asked;
    this.#parts = parts;
  }

  /** Makes the reply, with what the question recalls. */
  async *reply(question: string, options: ReplyOptions): Pieces {
    const { run, tokenizer, recollection, meter } = this.#parts;
    const { maxTokens, keep } = options;
    this.start = run.mark('question');
    const stream = tokenizer.stream();
    const begin = performance.now();
    await recollection.recall(question);
    let tokens = this.#decode(this.#asked, options, keep && recollection.tokens === 0);
    let step = await tokens.next();
    this.firstTokenAt = performance.now();
    meter.counts.firstTokenMs = this.firstTokenAt - begin;
    for (;;) {
      while (!step.done) {
        this.replied.push(step.value);
        this.tokens.push(step.value);
        const piece = stream.push(step.value);
        this.text += piece;
        if (piece !== '') yield piece;
        step = await tokens.next();
      }
      const complete = step.value === 'end' || this.replied.length === maxTokens;
      if (complete || !keep || recollection.tokens === 0) break;
      tokens = await this.#goOn(options);
      step = await tokens.next();
    }
    const rest = stream.end();
    this.text += rest;
    if (rest !== '') yield rest;
    return step.value;
  }

  /**
   * The reply outgrew its room: what was recalled makes way, and the reply goes on behind the
   * question and what it said so far.
   */
  async #goOn(options: ReplyOptions): Promise<ReturnType<typeof decode>> {
    const { run, talk, recollection } = this.#parts;
    const { blockSize } = run.plan;
    await run.rewind(this.start, talk.newest(this.start.token, blockSize, this));
    recollection.tokens = 0;
    const again = [...this.#asked, ...this.replied];
    const last = again.splice(Math.floor((again.length - 1) / blockSize) * blockSize);
    await prefill(run, again, { signal: options.signal });
    return this.#decode(last, options, true);
  }

  /** The rest of the reply, token by token. */
  #decode(prompt: readonly number[], options: ReplyOptions, evict: boolean) {
    const { run, tokenizer } = this.#parts;
    const { sample, signal } = options;
    const { endTokens } = tokenizer;
    const maxTokens = options.maxTokens - this.replied.length;
    return decode(run, prompt, { sample, endTokens, signal, maxTokens, evict });
  }
}
