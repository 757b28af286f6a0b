// The client's way to the server: questions and answers over connections that may break. A question
// is sent until the server has it, and its answer comes once.
import { runtime } from '#runtime';
import { errorOf, NetworkError, ProtocolError } from '../errors.ts';
import type { Socket, SocketClass } from '../runtime/runtime.ts';
import { decode, encode, type Message, type MessageOf } from './messages.ts';
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

type Greeting<K extends 'hello' | 'open'> = Omit<MessageOf<K>, 'session' | 'received'>;

export interface LinkOptions {
  readonly url: string;
  /** What the client is; session and received are the link's own. */
  readonly hello: Greeting<'hello'> | Greeting<'open'>;
  /** Most bytes of an answer. */
  readonly mostBytes: number;
  readonly signal?: AbortSignal;
}

/** What went over the line, all overhead of messages counted. */
export interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Of what was received: signs of life, which come by the clock. */
  readonly lifeBytes: number;
  /** Connections after the first. */
  readonly reconnects: number;
}

/** Tries without an answer, before it is given up, and the waits between them. */
const MOST_TRIES = 12;
const FIRST_TRIES = 3;
const FIRST_WAIT_MS = 50;
const MOST_WAIT_MS = 5000;
/** A connection on which nothing arrives for so long is none: the server tells that it is there. */
const SILENCE_MS = 60_000;
const LOOK_MS = 1000;
/** One that waits says so every so often: if something was lost, the other side sees it then. */
const QUIET_MS = 2000;

interface Pending {
  readonly bytes: Uint8Array<ArrayBuffer>;
  isSent: boolean;
  resolve(message: Message): void;
  reject(error: unknown): void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #Socket: SocketClass;
  /** Questions without an answer, in order. */
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  /** The last answer that arrived, and the last question that may be sent now. */
  #received = 0;
  #session = '';
  #window = 0;
  #socket?: Socket;
  #isOpen = false;
  #heardMs = 0;
  #saidMs = 0;
  #sealer = new Sealer();
  #tries = 0;
  #ended?: unknown;
  #retry?: ReturnType<typeof setTimeout>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #traffic = { sentBytes: 0, receivedBytes: 0, lifeBytes: 0, reconnects: 0 };
  #opened!: { resolve(): void; reject(error: unknown): void };

  private constructor(options: LinkOptions, socket: SocketClass) {
    this.#options = options;
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

  /** Questions that the server takes at once. */
  get window(): number {
    return this.#window;
  }

  /** The answer to a question; answers come in the order of the questions. */
  readonly ask = (message: Message): Promise<Message> => {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const answer = new Promise<Message>((resolve, reject) => {
      const pending = { bytes: encode(message), isSent: false, resolve, reject };
      this.#pending.set(++this.#asked, pending);
    });
    this.#flush();
    return answer;
  };

  #connect(): void {
    const { url, mostBytes, hello } = this.#options;
    const socket = this.#open(url);
    if (!socket) return;
    this.#socket = socket;
    this.#sealer = new Sealer();
    this.#heardMs = performance.now();
    socket.binaryType = 'arraybuffer';
    const assembler = new Assembler((number) => (number > 0 ? mostBytes : MOST_GREETING_BYTES));
    socket.onopen = () => {
      this.#heardMs = performance.now();
      const greeting = { ...hello, session: this.#session, received: this.#received };
      for (const piece of piecesOf(encode(greeting), 0, this.#received)) this.#send(piece);
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#heard(data, assembler);
    };
    socket.onclose = socket.onerror = () => {
      if (socket === this.#socket) this.#lost();
    };
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
    if (number <= this.#received) return;
    const pending = this.#pending.get(number);
    if (number !== this.#received + 1 || !pending)
      throw new ProtocolError(
        `the server sent answer ${number}, expected ${this.#received + 1}: one was lost`,
      );
    this.#received = number;
    this.#tries = 0;
    this.#pending.delete(number);
    this.#send(signOfLife(number));
    pending.resolve(message);
    this.#flush();
  }

  #greeted(message: Message): void {
    if (message.kind === 'refused') {
      const error = errorOf(message);
      // what the server could not read was damaged on its way, perhaps
      if (error instanceof ProtocolError) this.#lost(error);
      else this.#end(error);
      return;
    }
    if (message.kind !== 'welcome')
      throw new ProtocolError(`the server sent '${message.kind}', expected a greeting`);
    this.#session = message.session;
    this.#window = message.window;
    this.#isOpen = true;
    for (const [number, pending] of this.#pending) pending.isSent = number <= message.received;
    this.#opened.resolve();
    this.#flush();
  }

  /** Sends what the server takes now. */
  #flush(): void {
    if (!this.#isOpen) return;
    for (const [number, pending] of this.#pending) {
      if (number > this.#received + this.#window) return;
      if (pending.isSent) continue;
      pending.isSent = true;
      for (const piece of piecesOf(pending.bytes, number, this.#received)) this.#send(piece);
    }
  }

  /** The connection is no more: another one, after a while. */
  #lost(cause?: unknown): void {
    this.#drop();
    if (this.#ended !== undefined) return;
    this.#tries++;
    if (this.#tries > (this.#session === '' ? FIRST_TRIES : MOST_TRIES)) {
      this.#end(
        cause instanceof ProtocolError
          ? cause
          : new NetworkError(
              `${this.#options.url} could not be reached in ${this.#tries} tries: look whether ` +
                `the server runs there`,
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
    if (this.#socket && nowMs - this.#heardMs > SILENCE_MS) this.#lost();
    else if (this.#isOpen && this.#pending.size > 0 && nowMs - this.#saidMs > QUIET_MS)
      this.#send(signOfLife(this.#received));
  }

  readonly #abort = () => this.#end(this.#options.signal!.reason);

  #end(error: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#retry);
    clearInterval(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#opened.reject(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
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
