// The client's way to the server: questions and answers over connections that may break. A question
// is sent until the server has it, and its answer comes once.
import { runtime } from '#runtime';
import {
  BudgetError,
  errorOf,
  NetworkError,
  ProtocolError,
  RecollectError,
  StoreError,
} from '../errors.ts';
import type { Socket, SocketClass } from '../runtime/runtime.ts';
import { decode, encode, type Message } from './messages.ts';
import {
  type Arrived,
  Assembler,
  FRONT_BYTES,
  MOST_GREETING_BYTES,
  MOST_PIECE_BYTES,
  piecesOf,
  Sealer,
  signOfLife,
} from './pieces.ts';
import type { LinkOptions, Place, Traffic } from './link-options.ts';
import { Questions } from './questions.ts';

/**
 * Tries without an answer, before it is given up, and the waits between them: a server that is
 * started anew reads a large model for minutes.
 */
const MOST_TRIES = 72;
const FIRST_TRIES = 3;
const FIRST_WAIT_MS = 50;
const MOST_WAIT_MS = 5000;
/** A connection on which nothing arrives for so long is none: the server tells that it is there. */
const SILENCE_MS = 60_000;
/** The same of one that was not let in yet. */
const GREETING_MS = 20_000;
const LOOK_MS = 1000;
/** One that waits says so every so often: if something was lost, the other side sees it then. */
const QUIET_MS = 2000;

export type { Traffic };

export class Link {
  readonly #options: LinkOptions;
  readonly #Socket: SocketClass;
  readonly #questions: Questions;
  readonly #urls: readonly string[];
  /** The one of them that is tried, or answers. */
  #at = 0;
  #session: string;
  #window = 0;
  #socket?: Socket;
  #isOpen = false;
  #heardMs = 0;
  #saidMs = 0;
  #sealer = new Sealer();
  #tries = 0;
  /** Servers that could not take it up, one after the other. */
  #unstored = 0;
  #ended?: unknown;
  #retry?: ReturnType<typeof setTimeout>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #traffic = { sentBytes: 0, receivedBytes: 0, lifeBytes: 0, reconnects: 0 };
  #opened!: { resolve(): void; reject(error: unknown): void };

  private constructor(options: LinkOptions, socket: SocketClass) {
    const { url, session } = options;
    this.#options = options;
    this.#urls = url.split(',').map((one) => one.trim());
    this.#at = Math.max(0, this.#urls.indexOf(session?.url ?? ''));
    this.#session = session?.id ?? '';
    this.#questions = new Questions(session?.step ?? 0);
    this.#Socket = socket;
    // what came while this thread was busy is read before the server is called silent
    this.#timer = setInterval(() => setTimeout(() => this.#look(), 0), LOOK_MS);
    options.signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /**
   * Connects. Throws what the server refuses for, NetworkError where it cannot be reached, the
   * signal's reason.
   */
  static async open(options: LinkOptions): Promise<Link> {
    options.signal?.throwIfAborted();
    const link = new Link(options, await runtime.socketClass());
    await new Promise<void>((resolve, reject) => {
      link.#opened = { resolve, reject };
      link.#connect();
    });
    return link;
  }

  get traffic(): Traffic {
    return { ...this.#traffic };
  }

  /** Where the training is. */
  get place(): Place {
    return { id: this.#session, url: this.#urls[this.#at], step: this.#questions.step };
  }

  /** Questions that the server takes at once. */
  get window(): number {
    return this.#window;
  }

  /**
   * The answer to a question; answers come in the order of the questions. Rejects with Rewound
   * where the server has gone back to the end of the last step, until again() is called.
   */
  readonly ask = (message: Message): Promise<Message> => {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const answer = this.#questions.ask(message);
    this.#flush();
    return answer;
  };

  /** What is asked from here on begins at the end of the last step. */
  again(): void {
    this.#questions.again();
  }

  #connect(): void {
    const { mostBytes } = this.#options;
    const socket = this.#open(this.#urls[this.#at]);
    if (!socket) return;
    this.#socket = socket;
    this.#sealer = new Sealer();
    this.#heardMs = performance.now();
    socket.binaryType = 'arraybuffer';
    const assembler = new Assembler((number) => (number > 0 ? mostBytes : MOST_GREETING_BYTES));
    socket.onopen = () => this.#greet();
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#heard(data, assembler);
    };
    socket.onclose = socket.onerror = () => {
      if (socket === this.#socket) this.#lost();
    };
  }

  #greet(): void {
    const { told, received } = this.#questions;
    const greeting = { ...this.#options.hello, ...told, session: this.#session };
    for (const piece of piecesOf(encode(greeting), 0, received)) this.#send(piece);
  }

  #open(url: string): Socket | undefined {
    try {
      return new this.#Socket(url, [], { maxPayload: MOST_PIECE_BYTES, perMessageDeflate: false });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#end(new NetworkError(`'${url}' is no address of a server (${why})`, { cause }));
      return undefined;
    }
  }

  #send(piece: Uint8Array<ArrayBuffer>): void {
    this.#traffic.sentBytes += piece.length;
    this.#saidMs = performance.now();
    this.#socket!.send(this.#sealer.seal(piece));
  }

  #heard(data: unknown, assembler: Assembler): void {
    try {
      if (!(data instanceof ArrayBuffer))
        throw new ProtocolError(`the server sent a text, expected bytes`);
      this.#heardMs = performance.now();
      this.#traffic.receivedBytes += data.byteLength;
      this.#take(assembler.add(new Uint8Array(data)));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // damaged on its way, perhaps: it comes again on another connection
      this.#lost(error);
    }
  }

  #take({ number, bytes }: Arrived): void {
    if (!bytes) {
      if (number === 0) this.#traffic.lifeBytes += FRONT_BYTES;
      return;
    }
    const message = decode(bytes);
    if (number === 0) {
      this.#greeted(message);
      return;
    }
    if (!this.#questions.take(number, message)) return;
    this.#tries = 0;
    this.#send(signOfLife(number));
    this.#flush();
  }

  #greeted(message: Message): void {
    if (message.kind === 'refused') {
      const error = errorOf(message);
      // what the server could not read was damaged on its way, perhaps
      if (error instanceof ProtocolError) this.#lost(error);
      else this.#refused(error);
      return;
    }
    if (message.kind !== 'welcome')
      throw new ProtocolError(`the server sent '${message.kind}', expected a greeting`);
    this.#session = message.session;
    this.#window = message.window;
    this.#isOpen = true;
    this.#unstored = 0;
    if (message.isRewound) this.#questions.rewind(message.received);
    this.#questions.had(message.received);
    this.#opened.resolve();
    this.#flush();
  }

  /** Others may take it, or this one later. */
  #refused(error: Error): void {
    const isElsewhere = error instanceof StoreError && ++this.#unstored < this.#urls.length;
    const isKnown = this.#session !== '' || this.#urls.length > 1;
    const isFull = isKnown && (error instanceof BudgetError || error instanceof NetworkError);
    if (isElsewhere || isFull) this.#lost(error);
    else this.#end(error);
  }

  /** Sends what the server takes now. */
  #flush(): void {
    if (!this.#isOpen) return;
    for (const piece of this.#questions.unsent(this.#window)) this.#send(piece);
  }

  /** The connection is no more: another one, after a while. */
  #lost(cause?: unknown): void {
    const wasOpen = this.#isOpen;
    this.#drop();
    if (this.#ended !== undefined) return;
    // a connection that breaks is made again where it was
    if (!wasOpen) this.#at = (this.#at + 1) % this.#urls.length;
    this.#tries++;
    const first = FIRST_TRIES * this.#urls.length;
    if (this.#tries > (this.#session === '' ? first : MOST_TRIES)) {
      const why = cause instanceof Error ? `: ${cause.message}` : '';
      const wasRefused = cause instanceof RecollectError && !(cause instanceof NetworkError);
      this.#end(
        wasRefused
          ? cause
          : new NetworkError(
              `${this.#options.url} could not be reached in ${this.#tries} tries${why}: look ` +
                `whether the server runs there`,
              { cause },
            ),
      );
      return;
    }
    if (this.#session !== '') this.#traffic.reconnects++;
    const wait = Math.min(MOST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#tries - 1));
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isOpen = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = null;
    socket.onclose = socket.onerror = () => {};
    socket.close();
  }

  #look(): void {
    const nowMs = performance.now();
    // one that was connected to and does not greet is silent too
    const most = this.#isOpen ? SILENCE_MS : GREETING_MS;
    if (this.#socket && nowMs - this.#heardMs > most) this.#lost();
    else if (this.#isOpen && this.#questions.isWaiting && nowMs - this.#saidMs > QUIET_MS)
      this.#send(signOfLife(this.#questions.received));
  }

  readonly #abort = () => this.#end(this.#options.signal!.reason);

  #end(error: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#retry);
    clearInterval(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#opened.reject(error);
    this.#questions.reject(error);
    this.#drop();
  }

  /** For tests: the connection breaks. */
  cut(): void {
    this.#lost();
  }

  /** Ends the connection; what was asked and not answered rejects. */
  close(): void {
    this.#end(new NetworkError('the connection was closed'));
  }
}
