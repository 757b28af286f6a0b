// The trainings that a server has: bounded, each kept in a store where there is one, given up when
// nobody goes on with it, and taken up again, from this server's memory or from the store.
import { BudgetError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import { KeptTraining, noTraining } from './kept.ts';
import type { MessageOf } from './messages.ts';
import { HELLO_MS, type ServerOptions } from './server.ts';
import { type Served, Session } from './session.ts';
import { memorySplitStore } from './store/memory-store.ts';
import type { SplitStore } from './store/store.ts';
import type { Wanted } from './wanted.ts';

type Greeting = MessageOf<'hello'> | MessageOf<'open'>;

export interface SessionEvents {
  /** There may be something to do. */
  idle(): void;
  /** A session is not this server's any more. */
  lost(session: Session): void;
}

/** A session, and what it is beside its connection. */
interface Held {
  readonly session: Session;
  readonly half: Served;
  readonly kept: KeptTraining | undefined;
  /** The client's process. */
  readonly run: string;
}

export interface LetIn {
  readonly session: Session;
  /** Whether what was asked since the last step is asked again. */
  readonly isRewound: boolean;
}

export class Sessions {
  readonly #options: ServerOptions;
  readonly #roomBytes: number;
  readonly #events: SessionEvents;
  /** In the order of their turns. */
  readonly #all = new Map<string, Held>();
  /** Of clients that have checkpoints, where the server has no store. */
  readonly #memory = memorySplitStore();

  constructor(options: ServerOptions, roomBytes: number, events: SessionEvents) {
    this.#options = options;
    this.#roomBytes = roomBytes;
    this.#events = events;
  }

  get size(): number {
    return this.#all.size;
  }

  /** All bytes beside the model. */
  get bytes(): number {
    return [...this.#all.values()].reduce(
      (sum, { session }) => sum + session.bytes,
      this.#roomBytes,
    );
  }

  /**
   * Begins a training, or takes one up. Throws BudgetError where the server is full, StoreError
   * where the training is not there, what the store throws.
   */
  letIn(wanted: Wanted, hello: Greeting): Promise<LetIn> {
    return hello.session === '' ? this.#open(wanted, hello) : this.#resume(wanted, hello);
  }

  async #open(wanted: Wanted, hello: Greeting): Promise<LetIn> {
    const store = this.#options.store ?? (keepsIn(hello) ? this.#memory : undefined);
    const held = this.#hold(wanted, hello, crypto.randomUUID(), store);
    try {
      await held.kept?.put(held.half.state!, { run: hello.run, number: 0, squares: 0 });
    } catch (error) {
      await this.#drop(held);
      throw error;
    }
    return { session: held.session, isRewound: false };
  }

  async #resume(wanted: Wanted, hello: Greeting): Promise<LetIn> {
    const { session: id, run } = hello;
    const known = this.#all.get(id);
    if (known && !known.kept && known.run === run)
      return { session: known.session, isRewound: false };
    const store = known?.kept?.store ?? this.#options.store;
    if (!store || hello.kind === 'open') throw noTraining(id);
    if (
      known?.kept &&
      (await known.kept.claim()) &&
      known.run === run &&
      this.#all.get(id) === known
    )
      return { session: known.session, isRewound: false };
    if (known) await this.#drop(known);
    const held = this.#hold(wanted, hello, id, store);
    try {
      const kept = held.kept!;
      await kept.claim();
      const resumed = await kept.resume(held.half.state!, hello);
      held.session.begin(resumed);
      return { session: held.session, isRewound: resumed.answer === undefined };
    } catch (error) {
      // nobody else could take it up, or would remove it
      if (store === this.#memory) await held.kept!.remove();
      await this.#drop(held);
      throw error;
    }
  }

  #hold(wanted: Wanted, hello: Greeting, id: string, store?: SplitStore): Held {
    const { clients, memory, window } = this.#options;
    const { what, less, keepable } = wanted;
    if (this.#all.size >= clients)
      throw new BudgetError(`the server has ${clients} clients, as many as it takes: come later`);
    const isTwofold = keepsIn(hello);
    const bytes = wanted.bytes + (store && keepable ? KeptTraining.bytes(keepable, isTwofold) : 0);
    if (this.bytes + bytes > memory)
      throw new BudgetError(
        `${what} takes ${formatBytes(bytes)} at the server, which holds ` +
          `${formatBytes(this.bytes)} of ${formatBytes(memory)}: come later, or ${less}`,
      );
    const half = wanted.serve();
    const kept = store && keepable ? new KeptTraining(store, id, keepable, isTwofold) : undefined;
    const { run } = hello;
    const session = new Session(
      id,
      half,
      bytes,
      window,
      kept && {
        step: (number, { squares }) => kept.put(half.state!, { run, number, squares }),
        done: () => this.#events.idle(),
        lost: () => this.#lose(held),
        close: () => kept.close(),
      },
    );
    const held: Held = { session, half, kept, run };
    this.#all.set(id, held);
    return held;
  }

  /** Another server has it, or it could not be kept: its client comes again. */
  #lose(held: Held): void {
    this.#events.lost(held.session);
    void this.#drop(held);
  }

  async #drop({ session }: Held): Promise<void> {
    if (this.#all.get(session.id)?.session === session) this.#all.delete(session.id);
    await session.close();
  }

  /** A session with something to do: the last in the line from here on. */
  next(): Session | undefined {
    const held = [...this.#all.values()].find(({ session }) => session.isWaiting);
    if (!held) return undefined;
    const { session } = held;
    this.#all.delete(session.id);
    this.#all.set(session.id, held);
    return session;
  }

  /** Renews leases, and gives up what nobody goes on with. */
  look(nowMs: number): void {
    const { leaseMs } = this.#options;
    for (const held of this.#all.values()) {
      const { session, kept } = held;
      // one that never asked was not greeted back, perhaps, and began another training
      const lease = session.received > 0 || kept ? leaseMs : Math.min(leaseMs, HELLO_MS);
      if (nowMs - (session.aloneSinceMs ?? nowMs) > lease) this.end(session);
      else if (session.connection)
        // a store that is away says so when the next step is kept
        void kept?.renew(leaseMs).then(
          (isOurs) => isOurs || this.#lose(held),
          () => undefined,
        );
    }
  }

  /** The training is over. */
  end(session: Session): void {
    // what it is being asked ends first
    if (session.isBusy) return;
    const held = this.#all.get(session.id);
    if (held?.session !== session) return;
    // what stays in a store ends with its lease
    held.kept?.remove().catch(() => {});
    void this.#drop(held);
  }

  dispose(): void {
    for (const { session } of this.#all.values()) session.dispose();
    this.#all.clear();
    void this.#memory.close();
  }
}

/** Whether a client may come again a step before. */
const keepsIn = (greeting: Greeting): boolean => greeting.kind === 'hello' && greeting.keeps;
