// What a client has asked and not been answered: each question is sent until the server has it, and
// its answer comes once.
import { ProtocolError } from '../errors.ts';
import { encode, type Message, type MessageOf } from './messages.ts';
import { type Bytes, piecesOf } from './pieces.ts';
import { Rewound } from './rewound.ts';

interface Pending {
  readonly bytes: Bytes;
  isSent: boolean;
  /** Whether it ends a step. */
  readonly isStep: boolean;
  resolve(message: Message): void;
  reject(error: unknown): void;
}

export class Questions {
  /** In order. */
  readonly #pending = new Map<number, Pending>();
  /** Numbers are this process' own. */
  readonly #run = crypto.randomUUID();
  #asked = 0;
  /** The last answer that arrived. */
  #received = 0;
  #step: number;
  #isRewound = false;

  constructor(step: number) {
    this.#step = step;
  }

  get received(): number {
    return this.#received;
  }

  /** Steps that server and client have made. */
  get step(): number {
    return this.#step;
  }

  /** Whether there are some. */
  get isWaiting(): boolean {
    return this.#pending.size > 0;
  }

  /** What the server is told of them. */
  get told(): Pick<MessageOf<'hello'>, 'run' | 'step' | 'asked' | 'received'> {
    return { run: this.#run, step: this.#step, asked: this.#asked, received: this.#received };
  }

  /** The answer to one. Rejects with Rewound between rewind() and again(). */
  ask(message: Message): Promise<Message> {
    if (this.#isRewound) return Promise.reject(new Rewound());
    return new Promise((resolve, reject) => {
      const isStep = message.kind === 'apply';
      const pending = { bytes: encode(message), isSent: false, isStep, resolve, reject };
      this.#pending.set(++this.#asked, pending);
    });
  }

  /** The server has those up to a number, and no others. */
  had(number: number): void {
    for (const [asked, pending] of this.#pending) pending.isSent = asked <= number;
  }

  /** Pieces of those that were not sent, up to `window` behind the last answer. */
  *unsent(window: number): Iterable<Bytes> {
    for (const [number, pending] of this.#pending) {
      if (number > this.#received + window) return;
      if (pending.isSent) continue;
      pending.isSent = true;
      yield* piecesOf(pending.bytes, number, this.#received);
    }
  }

  /** Takes an answer; false where it was there. Throws ProtocolError where one was lost. */
  take(number: number, message: Message): boolean {
    if (number <= this.#received) return false;
    const pending = this.#pending.get(number);
    if (number !== this.#received + 1 || !pending)
      throw new ProtocolError(
        `the server sent answer ${number}, expected ${this.#received + 1}: one was lost`,
      );
    this.#received = number;
    this.#pending.delete(number);
    if (pending.isStep && message.kind === 'applied' && message.finite) this.#step++;
    pending.resolve(message);
    return true;
  }

  /** The server is at the end of the last step again; numbers go on from one. */
  rewind(number: number): void {
    this.#isRewound = true;
    this.#asked = this.#received = number;
    this.reject(new Rewound());
  }

  /** What is asked from here on begins at the end of the last step. */
  again(): void {
    this.#isRewound = false;
  }

  /** Ends all that have no answer. */
  reject(error: unknown): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
