// A client's training at the server, whatever connection it is on: what was asked and not answered
// yet, and answers that the client has not said to have. Numbers keep steps from being lost or made
// twice: a question is taken once, an answer is sent until it arrived.
import { ProtocolError } from '../errors.ts';
import type { KeepableHalf, Resumed } from './kept.ts';
import { decode, encode, type Message, type MessageOf } from './messages.ts';
import { type Bytes, piecesOf } from './pieces.ts';

/** What answers a client's questions, one after the other. */
export interface Served {
  answer(message: Message): Promise<Message>;
  dispose(): void;
  /** What of it can be kept, where it can. */
  readonly state?: KeepableHalf;
}

/** Where a training is kept, and who hears of it. */
export interface Keeping {
  /** Keeps the state behind a step, whose question had a number. */
  step(number: number, answer: MessageOf<'applied'>): Promise<void>;
  /** The session can be asked again. */
  done(): void;
  /** It could not be kept: it goes on elsewhere, or from what is kept. */
  lost(): void;
  /** It ends: what is not kept by now is not kept. */
  close(): void;
}

/** A way to a client, as a runtime has it. */
export interface Connection {
  send(piece: Bytes): void;
  /** Bytes that were sent and have not left. */
  readonly waitingBytes: number;
  /** Ends it once what was sent is there; `now`: at once. */
  close(now?: boolean): void;
}

export class Session {
  readonly id: string;
  /** Bytes that it takes in the backend's memory. */
  readonly bytes: number;
  readonly #half: Served;
  readonly #window: number;
  /** The last question that arrived. */
  received = 0;
  /** Questions that were not begun. */
  readonly #questions: { readonly number: number; readonly bytes: Bytes }[] = [];
  /** Answers that did not arrive yet, as far as is known, in order. */
  readonly #answers = new Map<number, { readonly bytes: Bytes; sentMs: number }>();
  #answered = 0;
  #isBusy = false;
  #isClosing = false;
  #isDisposed = false;
  #whenIdle?: () => void;
  #connection?: Connection;
  /** Since when there is no connection. */
  aloneSinceMs: number | undefined;
  /** Whether the client has said that it is over. */
  isOver = false;

  readonly #keeping: Keeping | undefined;

  constructor(id: string, half: Served, bytes: number, window: number, keeping?: Keeping) {
    this.id = id;
    this.#keeping = keeping;
    this.#half = half;
    this.bytes = bytes;
    this.#window = window;
  }

  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** A training that was kept goes on: what was asked before it does not count. */
  begin({ number, answer }: Resumed): void {
    this.received = number;
    this.#answered = number;
    if (answer) this.#answers.set(number, { bytes: encode(answer), sentMs: 0 });
  }

  /** Goes on over a connection, on which all up to an answer has arrived before. */
  attach(connection: Connection, acknowledged: number): void {
    this.acknowledge(acknowledged);
    this.#connection = connection;
    this.aloneSinceMs = undefined;
    for (const number of this.#answers.keys()) this.#send(number);
  }

  detach(): void {
    this.#connection = undefined;
    this.aloneSinceMs = performance.now();
  }

  /** Answers up to a number have arrived. Throws ProtocolError for one that was not sent. */
  acknowledge(number: number): void {
    if (number > this.#answered)
      throw new ProtocolError(
        `the client has answer ${number}, the server gave ${this.#answered}: begin again`,
      );
    for (const sent of this.#answers.keys()) if (sent <= number) this.#answers.delete(sent);
  }

  /**
   * Takes a question; one that it has is taken once. Throws ProtocolError for one that does not
   * follow the one before, and where more are under way than may.
   */
  take(number: number, bytes: Bytes): void {
    if (number <= this.received) return;
    if (number !== this.received + 1)
      throw new ProtocolError(
        `the client sent question ${number}, expected ${this.received + 1}: one was lost`,
      );
    const waiting = this.received - this.#answered + this.#answers.size;
    if (waiting >= this.#window)
      throw new ProtocolError(
        `the client sent question ${number} while ${waiting} are under way, as many as may: wait ` +
          `for answers`,
      );
    this.received = number;
    this.#questions.push({ number, bytes });
  }

  /** Whether there is something to do. */
  get isWaiting(): boolean {
    return this.#questions.length > 0 && !this.#isBusy && !this.#isClosing;
  }

  /**
   * Answers the next question; `failed` makes an answer of an error. Where a step is to be kept
   * first, others may be answered meanwhile.
   */
  async answerNext(failed: (error: unknown) => Message): Promise<void> {
    const { number, bytes } = this.#questions.shift()!;
    this.#isBusy = true;
    let answer: Message;
    try {
      const question = decode(bytes);
      answer = await this.#half.answer(question);
      this.isOver ||= question.kind === 'end';
    } catch (error) {
      answer = failed(error);
    }
    if (this.#keeping && answer.kind === 'applied' && answer.finite)
      void this.#keepStep(this.#keeping, number, answer);
    else this.#give(number, answer);
  }

  async #keepStep(keeping: Keeping, number: number, answer: MessageOf<'applied'>): Promise<void> {
    try {
      await keeping.step(number, answer);
      this.#give(number, answer);
      keeping.done();
    } catch {
      this.#idle();
      keeping.lost();
    }
  }

  #give(number: number, answer: Message): void {
    this.#keep(number, answer);
    this.#idle();
  }

  #idle(): void {
    this.#isBusy = false;
    this.#whenIdle?.();
  }

  #keep(number: number, answer: Message): void {
    this.#answered = number;
    this.#answers.set(number, { bytes: encode(answer), sentMs: 0 });
    if (this.#connection) this.#send(number);
  }

  #send(number: number): void {
    const answer = this.#answers.get(number)!;
    answer.sentMs = performance.now();
    for (const piece of piecesOf(answer.bytes, number, this.received))
      this.#connection!.send(piece);
  }

  /** Whether all answers arrived. */
  get isQuiet(): boolean {
    return this.#answers.size === 0 && this.#questions.length === 0 && !this.#isBusy;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** How long an answer has been on its way over the connection. */
  waitsMs(nowMs: number): number {
    const [first] = this.#answers.values();
    return this.#connection && first ? nowMs - first.sentMs : 0;
  }

  /** Ends it once what it is doing is done. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#isBusy) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.dispose();
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#questions.length = 0;
    this.#keeping?.close();
    this.#half.dispose();
  }
}
