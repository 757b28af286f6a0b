// Serves the upper layers of a model to many clients: who may come in, whose turn it is, and when a
// connection or a training that nobody goes on with is given up. It knows no sockets.
import { BudgetError, failureOf, ProtocolError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import { breathe } from '../train/train.ts';
import { roomBytes, Rooms, shapeOf } from './half.ts';
import type { HalfModel } from './load.ts';
import { decode, encode, type Message } from './messages.ts';
import {
  type Arrived,
  Assembler,
  batchBytes,
  MOST_GREETING_BYTES,
  piecesOf,
  Sealer,
  signOfLife,
} from './pieces.ts';
import type { Connection, Session } from './session.ts';
import { Sessions } from './sessions.ts';
import type { SplitStore } from './store/store.ts';
import { wantedBy } from './wanted.ts';

export interface ServerOptions {
  readonly token: string;
  /** Most clients, most tokens of a batch, highest rank of an adapter. */
  readonly clients: number;
  readonly tokens: number;
  readonly rank: number;
  /** Most bytes beside the model. */
  readonly memory: number;
  /** Questions of a client under way at once. */
  readonly window: number;
  /** A connection is cut off whose client does not take an answer for so long. */
  readonly stallMs: number;
  /** A training ends whose client is away for so long. */
  readonly leaseMs: number;
  /** Where trainings are kept, so that they outlive the server; it is the server's. */
  readonly store?: SplitStore;
}

/** Time for a greeting. */
export const HELLO_MS = 10_000;
/** Time between two signs of life, and looks at what takes too long. */
const LOOK_MS = 1000;

/** A connection as the server sees it. */
interface Guest {
  readonly connection: Connection;
  readonly assembler: Assembler;
  readonly sinceMs: number;
  session?: Session;
  /** What it sent behind its greeting, before it was let in; undefined before that greeting. */
  early?: Uint8Array[];
}

/** What a runtime tells of a connection. */
export interface Events {
  heard(data: unknown): void;
  closed(): void;
}

export class SplitServer {
  readonly #model: HalfModel;
  readonly #options: ServerOptions;
  readonly #rooms: Rooms;
  readonly #sessions: Sessions;
  readonly #guests = new Set<Guest>();
  readonly #roomBytes: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #isWorking = false;
  #isOver = false;
  /** Clients are let in one after the other. */
  #door: Promise<unknown> = Promise.resolve();

  /** Reserves the room of a batch. Throws BudgetError where memory allows less, DeviceError. */
  constructor(model: HalfModel, options: ServerOptions) {
    const { network, head } = model;
    const shape = shapeOf(network, options.tokens, options.rank, head !== undefined);
    this.#model = model;
    this.#options = options;
    this.#roomBytes = roomBytes(network, shape);
    if (this.#roomBytes > options.memory)
      throw new BudgetError(
        `batches of ${options.tokens} tokens take ${formatBytes(this.#roomBytes)} beside the ` +
          `model, memory allows ${formatBytes(options.memory)}: allow more, or fewer tokens`,
      );
    this.#rooms = new Rooms(network, shape);
    this.#sessions = new Sessions(options, this.#roomBytes, {
      idle: () => void this.#work(),
      lost: ({ connection }) => connection?.close(true),
    });
    // what came while this thread was busy is read before anybody is called late
    const look = () => !this.#isOver && this.#look(performance.now());
    this.#timer = setInterval(() => setTimeout(look, 0), LOOK_MS);
  }

  get mostClients(): number {
    return this.#options.clients;
  }

  /** Trainings that it holds, and bytes beside the model. */
  get held(): { readonly sessions: number; readonly connections: number; readonly bytes: number } {
    const { size: sessions, bytes } = this.#sessions;
    return { sessions, connections: this.#guests.size, bytes };
  }

  /** A connection is there. */
  connect(socket: Connection): Events {
    const { tokens, clients } = this.#options;
    const most = batchBytes(tokens, this.#model.config.width);
    const sealer = new Sealer();
    const connection: Connection = {
      send: (piece) => socket.send(sealer.seal(piece)),
      close: (now) => socket.close(now),
      get waitingBytes() {
        return socket.waitingBytes;
      },
    };
    const guest: Guest = {
      connection,
      sinceMs: performance.now(),
      assembler: new Assembler((number) =>
        number > 0 && guest.session ? most : MOST_GREETING_BYTES,
      ),
    };
    // clients that come again may be there twice for a moment
    if (this.#isOver || this.#guests.size >= 2 * clients + 2) connection.close(true);
    else this.#guests.add(guest);
    return {
      heard: (data) => {
        if (this.#guests.has(guest)) this.#heard(guest, data);
      },
      closed: () => this.#forget(guest),
    };
  }

  #forget(guest: Guest): void {
    this.#guests.delete(guest);
    if (guest.session?.connection === guest.connection) guest.session.detach();
  }

  #heard(guest: Guest, data: unknown): void {
    try {
      if (!(data instanceof Uint8Array))
        throw new ProtocolError(`the client sent a text, expected bytes`);
      if (guest.early && !guest.session) {
        this.#wait(guest.early, data);
        return;
      }
      const arrived = guest.assembler.add(data);
      if (guest.session) this.#take(guest.session, arrived);
      else if (arrived.number === 0 && arrived.bytes) {
        guest.early = [];
        const greeting = decode(arrived.bytes);
        this.#door = this.#door
          .then(() => this.#greet(guest, greeting))
          .catch((error: unknown) => this.#refuse(guest, error));
      } else throw new ProtocolError(`the client sent message ${arrived.number} before a greeting`);
    } catch (error) {
      this.#refuse(guest, error);
    }
  }

  #wait(early: Uint8Array[], data: Uint8Array): void {
    early.push(data.slice());
    if (early.reduce((sum, { length }) => sum + length, 0) > MOST_GREETING_BYTES)
      throw new ProtocolError(`the client sent ${data.length} bytes before it was let in: wait`);
  }

  #take(session: Session, { number, acknowledged, bytes }: Arrived): void {
    session.acknowledge(acknowledged);
    if (number === 0 && bytes) throw new ProtocolError(`the client greeted a second time`);
    if (session.isOver && session.isQuiet) this.#sessions.end(session);
    if (!bytes) return;
    session.take(number, bytes);
    void this.#work();
  }

  /** Says why, and ends the connection; a training stays. */
  #refuse(guest: Guest, error: unknown): void {
    if (!this.#guests.has(guest)) return;
    this.#forget(guest);
    this.#say(guest.connection, { kind: 'refused', ...failureOf(error) });
    guest.connection.close();
  }

  #say(connection: Connection, message: Message): void {
    for (const piece of piecesOf(encode(message), 0, 0)) connection.send(piece);
  }

  async #greet(guest: Guest, message: Message): Promise<void> {
    if (message.kind !== 'hello' && message.kind !== 'open')
      throw new ProtocolError(`the client sent '${message.kind}', expected a greeting`);
    if (this.#isOver || !this.#guests.has(guest)) return;
    const wanted = wantedBy(message, this.#model, this.#options, this.#rooms);
    const { session, isRewound } = await this.#sessions.letIn(wanted, message);
    const { connection: before, id, received } = session;
    const acknowledged = isRewound ? received : message.received;
    session.acknowledge(acknowledged);
    session.detach();
    before?.close(true);
    if (!this.#guests.has(guest)) return;
    guest.session = session;
    const { window } = this.#options;
    this.#say(guest.connection, { kind: 'welcome', session: id, received, window, isRewound });
    session.attach(guest.connection, acknowledged);
    for (const data of guest.early!) this.#heard(guest, data);
  }

  /** Answers a question of each client in turn, until there are none. */
  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      for (let next = this.#sessions.next(); next; next = this.#sessions.next()) {
        await next.answerNext((error) => ({ kind: 'failed', ...failureOf(error) }));
        await breathe();
      }
    } finally {
      this.#isWorking = false;
    }
  }

  #look(nowMs: number): void {
    const { stallMs } = this.#options;
    for (const guest of this.#guests) {
      const { session, connection, sinceMs } = guest;
      const isLate = session ? session.waitsMs(nowMs) > stallMs : nowMs - sinceMs > HELLO_MS;
      if (isLate) {
        this.#forget(guest);
        connection.close(true);
        // who has something to read needs no sign, and who reads nothing gets no more
      } else if (connection.waitingBytes === 0) connection.send(signOfLife(session?.received ?? 0));
    }
    this.#sessions.look(nowMs);
  }

  /** What is stored stays. */
  dispose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    for (const { connection } of this.#guests) connection.close(true);
    this.#guests.clear();
    this.#sessions.dispose();
    this.#rooms.dispose();
  }
}
