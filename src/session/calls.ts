// The calls of a conversation: one at a time, none once it was disposed of or its model was, and
// what ends the one that is under way.
import { closedError } from '../engine/executor.ts';
import type { Model } from '../engine/model.ts';
import { Line, type LineOptions } from './line.ts';

export class Calls {
  readonly #model: Model;
  readonly #line = new Line();
  readonly #disposal = new AbortController();
  #endings: readonly AbortSignal[] = [];
  #closed = false;

  constructor(model: Model) {
    this.#model = model;
  }

  /** What ends the waits of the call that is under way: its signal, and disposal. */
  get endings(): readonly AbortSignal[] {
    return this.#endings;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether nothing can be done any more. */
  get ended(): boolean {
    return this.#closed || this.#model.executor.ended !== undefined;
  }

  /**
   * Waits for the calls before, then has the conversation until what it resolves to is called.
   * `hurry` is called when another one waits.
   */
  async enter(options: LineOptions, hurry?: () => void): Promise<() => void> {
    this.#check();
    const leave = await this.#line.enter(options, hurry);
    const { signal } = options;
    this.#endings = [this.#disposal.signal, ...(signal ? [signal] : [])];
    try {
      this.#check();
      return leave;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Waits for the calls before, then does some work alone. */
  async alone(options: LineOptions, work: () => Promise<void>): Promise<void> {
    const leave = await this.enter(options);
    try {
      await work();
    } finally {
      leave();
    }
  }

  /** The conversation was disposed of: whatever waits or is under way rejects. */
  close(): void {
    this.#closed = true;
    this.#line.close(closedError());
    this.#disposal.abort(closedError());
  }

  #check(): void {
    if (this.#closed) throw closedError();
    if (this.#model.executor.ended) throw this.#model.executor.ended;
  }
}
