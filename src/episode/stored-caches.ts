// The stored caches of episodes: which tokens of the history each has seen, and whether what comes
// out of the store is what was put in. It makes no caches (episodes.ts) and holds no bytes
// (store.ts).
import { type Again, LostError, type Stored } from '../cache/stored.ts';
import type { Run } from '../engine/run.ts';
import { StoreError } from '../errors.ts';
import type { History } from './history.ts';
import type { EpisodeStore } from './store.ts';

/** What is stored of an episode. */
interface StoredCache {
  /** Tokens of the history that it has seen. */
  covered: number;
  /** The first of them that are still the conversation's. */
  valid: number;
  /** Which of all caches that were stored it is, from 1; 0 where nothing is stored. */
  number: number;
}

const NOTHING: Readonly<StoredCache> = { covered: 0, valid: 0, number: 0 };

const nameOf = (e: number) => `episode ${e}`;

export class StoredCaches {
  /** Times that a stored cache was lost or damaged, and has to be made again. */
  lost = 0;
  readonly #store: EpisodeStore;
  #caches: StoredCache[] = [];
  /** Numbers that no other conversation has: nothing else is taken for what was stored. */
  readonly #conversation = crypto.getRandomValues(new Int32Array(2));
  #puts = 0;

  constructor(store: EpisodeStore) {
    this.#store = store;
  }

  /** Whether the store was cleared for good. */
  get closed(): boolean {
    return this.#store.closed;
  }

  /** What an episode's cache has seen: `covered` tokens, of which the first `valid` are right. */
  of(e: number): Readonly<StoredCache> {
    return this.#caches[e];
  }

  /** Whether what is stored of an episode has seen all of the history, and nothing else. */
  isWhole(e: number, history: History): boolean {
    const { covered, valid } = this.#caches[e];
    return covered === history.length && valid === covered;
  }

  /** The history has other tokens from number `token` on than it had. */
  changedFrom(token: number): void {
    for (const cache of this.#caches) cache.valid = Math.min(cache.valid, token);
  }

  /** There are other episodes now, so many of them, and nothing is stored of any. */
  async begin(episodes: number): Promise<void> {
    const before = this.#caches.length;
    this.#caches = Array.from({ length: episodes }, () => ({ ...NOTHING }));
    // the others' are overwritten when they are made
    for (let e = episodes; e < before; e++) await this.#store.remove(String(e));
  }

  /** Stores the run as an episode's cache, which has seen so many tokens. */
  async put(e: number, run: Run, covered: number): Promise<void> {
    const cache = this.#caches[e];
    const number = ++this.#puts;
    // in memory the new one takes the old one's place, and where that fails there is none
    if (this.#store.kind === 'memory') Object.assign(cache, NOTHING);
    const [a, b] = this.#conversation;
    const again = this.#again(e, number);
    await this.#store.put(String(e), (out) => run.save([a, b, e, number], out, again));
    Object.assign(cache, { covered, valid: covered, number });
  }

  /** Lends what is stored of an episode. Rejects with LostError where it is not what was stored. */
  async lend<T>(e: number, use: (stored: Stored) => Promise<T>): Promise<T> {
    let lent = false;
    try {
      return await this.#store.get(String(e), (from) => {
        lent = true;
        const [a, b] = this.#conversation;
        const { number } = this.#caches[e];
        const again = this.#again(e, number);
        return use({ from, tag: [a, b, e, number], name: nameOf(e), again });
      });
    } catch (error) {
      throw error instanceof StoreError && !lent
        ? new LostError(nameOf(e), error.message, error)
        : error;
    }
  }

  /** Lends what was stored as number `number`, as long as that is what is stored of an episode. */
  #again(e: number, number: number): Again {
    return async (use) => {
      if (this.#caches[e]?.number === number) return this.lend(e, use);
      throw new LostError(nameOf(e), 'it was replaced');
    };
  }

  /** What was stored of an episode is of no use: it will be made again. */
  lose(e: number): void {
    Object.assign(this.#caches[e], NOTHING);
    this.lost++;
  }

  /** Which of some episodes an error says was lost. */
  lostIn(error: unknown, episodes: readonly number[]): number | undefined {
    return error instanceof LostError
      ? episodes.find((e) => nameOf(e) === error.stored)
      : undefined;
  }
}
