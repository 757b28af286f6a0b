// A reply as its readers see it: pieces that are made as they are asked for, kept so that every
// reader gets all of them.
import type { FinishReason } from '../engine/decode.ts';

/** A reply: iterate over its pieces of text as they come, or await text(). */
export interface Reply extends AsyncIterable<string> {
  /**
   * The whole reply, from its beginning, however often and beside whatever iteration; of one that
   * was broken off, what there was.
   */
  text(): Promise<string>;
  /** Why it ended; undefined before, and where it was broken off. */
  readonly finishReason: FinishReason | undefined;
  /**
   * The seed that tokens are drawn by: the one given, or one made for this reply. Where the most
   * probable token is taken, nothing is drawn: 0.
   */
  readonly seed: number;
}

/** What makes the pieces; it returns why it ended. */
export type Pieces = AsyncGenerator<string, FinishReason>;

export class StreamedReply implements Reply {
  readonly seed: number;
  readonly #begin: () => Pieces;
  #maker?: Pieces;
  readonly #pieces: string[] = [];
  #readers = 0;
  #ended = false;
  #failure?: { readonly error: unknown };
  #reason?: FinishReason;
  #pulling?: Promise<void>;

  constructor(begin: () => Pieces, seed: number) {
    this.#begin = begin;
    this.seed = seed;
  }

  get finishReason(): FinishReason | undefined {
    return this.#reason;
  }

  async text(): Promise<string> {
    this.#readers++;
    try {
      while (!this.#ended) await this.#pull();
    } finally {
      this.#readers--;
    }
    if (this.#failure) throw this.#failure.error;
    return this.#pieces.join('');
  }

  /** Makes the rest without waiting for readers. */
  async hurry(): Promise<void> {
    while (!this.#ended) await this.#pull();
  }

  [Symbol.asyncIterator](): AsyncIterator<string, undefined> {
    let at = 0;
    let state: 'new' | 'reading' | 'done' = 'new';
    const leave = () => {
      if (state === 'reading') this.#readers--;
      state = 'done';
    };
    return {
      next: async () => {
        if (state === 'done') return { done: true, value: undefined };
        if (state === 'new') this.#readers++;
        state = 'reading';
        while (at === this.#pieces.length && !this.#ended) await this.#pull();
        if (at < this.#pieces.length) return { done: false, value: this.#pieces[at++] };
        leave();
        if (this.#failure) throw this.#failure.error;
        return { done: true, value: undefined };
      },
      return: async () => {
        leave();
        if (this.#readers === 0) await this.#stop();
        return { done: true, value: undefined };
      },
    };
  }

  /** One piece more, or the end. */
  #pull(): Promise<void> {
    this.#pulling ??= this.#advance().finally(() => {
      this.#pulling = undefined;
    });
    return this.#pulling;
  }

  async #advance(): Promise<void> {
    try {
      this.#maker ??= this.#begin();
      const step = await this.#maker.next();
      if (this.#ended) return;
      if (!step.done) this.#pieces.push(step.value);
      else {
        this.#ended = true;
        this.#reason = step.value;
      }
    } catch (error) {
      if (!this.#ended) this.#failure = { error };
      this.#ended = true;
    }
  }

  /** Nobody wants more: what makes the pieces ends where it is. */
  async #stop(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#maker?.return(undefined as never);
  }
}
