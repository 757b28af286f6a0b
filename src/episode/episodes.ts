// Episodes of a growing conversation: one cache an episode, one of them resident in the run. A
// cache that is asked for is brought up to date with what was said since. clustering.ts tells what
// belongs to an episode, stored-caches.ts what is stored of it.
import { prefill, type PrefillOptions } from '../engine/prefill.ts';
import type { Run } from '../engine/run.ts';
import { LostError } from '../cache/stored.ts';
import { StoreError } from '../errors.ts';
import { Clustering, type ClusteringOptions } from './clustering.ts';
import type { History } from './history.ts';
import type { Segment } from './segment.ts';
import type { SegmentIndex } from './segment-index.ts';
import type { EpisodeStore } from './store.ts';
import { StoredCaches } from './stored-caches.ts';

export interface EpisodeOptions extends Omit<ClusteringOptions, 'most'> {
  /**
   * How many episodes a question is answered from; 'auto': two where the second best is nearly as
   * good.
   */
  readonly answerFrom: 1 | 2 | 'auto';
}

/** The most episodes that 'auto' makes. */
export const MOST_AUTO_EPISODES = 8;
/**
 * Times that an answer is tried to be put together anew where a stored episode was lost meanwhile.
 */
const MOST_TRIES = 3;
/** Second best episodes with this share of the best one's votes are answered from as well. */
const NEARLY_AS_GOOD = 0.8;

export interface Episode {
  readonly segments: readonly number[];
  readonly medoids: readonly number[];
  readonly promptTokens: number;
}

export class Episodes {
  readonly #run: Run;
  readonly #index: SegmentIndex;
  readonly #options: EpisodeOptions;
  readonly #clustering: Clustering;
  readonly #caches: StoredCaches;
  /** Episode whose cache is in the run, -1 before the first question and where two were joined. */
  #resident = -1;

  /** `promptOf` makes the patched prompt's tokens of an episode's text. */
  constructor(
    run: Run,
    index: SegmentIndex,
    store: EpisodeStore,
    options: EpisodeOptions,
    promptOf: (text: string) => number[],
  ) {
    this.#run = run;
    this.#index = index;
    this.#options = options;
    this.#clustering = new Clustering(
      run,
      index,
      { ...options, most: MOST_AUTO_EPISODES },
      promptOf,
    );
    this.#caches = new StoredCaches(store);
  }

  get segments(): readonly Segment[] {
    return this.#index.segments;
  }

  get episodes(): readonly Episode[] {
    return this.#clustering.episodes.map(({ members, medoids, prompt }) => ({
      segments: members,
      medoids,
      promptTokens: prompt.length,
    }));
  }

  /** Bytes of the vectors of segments and episodes. */
  get indexBytes(): number {
    return this.#index.bytes + this.#clustering.centroidBytes;
  }

  /** Times the conversation was clustered, for those who measure. */
  get clusterings(): number {
    return this.#clustering.times;
  }

  /** Times that a stored cache was lost or damaged, and made again from the history. */
  get remade(): number {
    return this.#caches.lost;
  }

  /**
   * Makes the cache of the episode that a question is about resident (or the union of two, under
   * the same budget), covering the whole history. Returns the episodes, best first. An abort leaves
   * the episodes that were finished; the rest is made at the next question.
   */
  async focus(question: string, history: History, options: PrefillOptions): Promise<number[]> {
    await this.#refresh(history);
    const chosen = await this.#match(question);
    const [first, second] = chosen;
    if (second === undefined) {
      await this.#reside(first, history, options);
      return chosen;
    }
    // where a stored cache turns out to be lost it is made again, and the union is tried again
    for (let tries = MOST_TRIES; ; tries--) {
      for (const e of [second, first])
        if (!this.#caches.isWhole(e, history)) await this.#reside(e, history, options);
      this.#resident = -1;
      try {
        if (await this.#join(first, second, history)) return chosen;
        await this.#reside(first, history, options);
        return [first];
      } catch (error) {
        const lost = this.#caches.lostIn(error, chosen);
        if (lost === undefined || tries === 0 || this.#caches.closed) throw error;
        this.#caches.lose(lost);
      }
    }
  }

  /** Prepares every episode's cache, so that no question has to wait for it. */
  async prepare(history: History, options: PrefillOptions): Promise<void> {
    await this.#refresh(history);
    for (const e of this.#clustering.episodes.keys())
      if (!this.#caches.isWhole(e, history)) await this.#reside(e, history, options);
  }

  /** The history has other tokens from number `token` on than it had. */
  changedFrom(token: number): void {
    this.#caches.changedFrom(token);
  }

  /**
   * Brings episodes up to date with the history; where it was clustered anew all caches are
   * dropped.
   */
  async #refresh(history: History): Promise<void> {
    if (!(await this.#clustering.refresh(history))) return;
    this.#resident = -1;
    await this.#caches.begin(this.#clustering.episodes.length);
  }

  /** The episodes to answer a question from, the best first. */
  async #match(question: string): Promise<number[]> {
    if (this.#clustering.episodes.length === 1) return [0];
    const { answerFrom } = this.#options;
    const ranked = await this.#clustering.rank(question);
    const two =
      answerFrom === 2 ||
      (answerFrom === 'auto' && ranked[1].likeness >= NEARLY_AS_GOOD * ranked[0].likeness);
    return ranked.slice(0, two ? 2 : 1).map((r) => r.episode);
  }

  /**
   * Makes the union of two episodes' caches resident; false, with nothing changed, where they
   * cannot be put together.
   */
  #join(first: number, second: number, history: History): Promise<boolean> {
    const newest = this.#newest(history, history.length);
    return this.#caches.lend(first, (a) =>
      this.#caches.lend(second, (b) => this.#run.restoreUnion(a, b, newest)),
    );
  }

  /** Makes an episode's cache resident, with all of the history. */
  async #reside(e: number, history: History, options: PrefillOptions): Promise<void> {
    try {
      await this.#residePlain(e, history, options);
    } catch (error) {
      // a device was lost with the cache, and what it had been made from is stored no more
      if (!(error instanceof LostError) || this.#caches.closed) throw error;
      this.#caches.lose(e);
      await this.#residePlain(e, history, options);
    }
  }

  async #residePlain(e: number, history: History, options: PrefillOptions): Promise<void> {
    const run = this.#run;
    const stored = this.#caches.of(e);
    const whole = this.#caches.isWhole(e, history);
    const isThere = this.#resident === e && !run.layers.isLost;
    if (isThere && run.token === stored.covered && whole) return;
    this.#resident = -1;
    if (stored.covered > 0) await this.#restore(e, history);
    if (stored.covered === 0) await run.clear();
    else if (stored.valid < stored.covered)
      await run.rewind({ token: stored.valid }, this.#newest(history, stored.valid));
    // a state that cannot go back so far is made anew
    if (run.token < stored.valid) {
      this.#caches.lose(e);
      await run.clear();
    }
    if (!this.#caches.isWhole(e, history)) {
      await this.#catchUp(e, history, options);
      await this.#caches.put(e, run, history.length);
    }
    this.#resident = e;
  }

  /** Puts an episode's cache back as it was stored; it counts as lost where that fails. */
  async #restore(e: number, history: History): Promise<void> {
    try {
      const newest = this.#newest(history, this.#caches.of(e).covered);
      await this.#caches.lend(e, (stored) => this.#run.restore(stored, newest));
    } catch (error) {
      if (!(error instanceof StoreError) || this.#caches.closed) throw error;
      this.#caches.lose(e);
    }
  }

  /** Forwards what the cache in the run has not seen, with the prompt of its episode. */
  async #catchUp(e: number, history: History, options: PrefillOptions): Promise<void> {
    const run = this.#run;
    const episode = this.#clustering.episodes[e];
    // text that is in no segment yet is in no prompt either: its block is put into the prompt
    const indexed = this.#indexedTokens(history);
    run.prompt = (block) =>
      run.token + block.length > indexed ? [...block, ...episode.prompt] : episode.prompt;
    await prefill(run, history.tokens(this.#caches.of(e).valid), {
      ...options,
      onBlock: (p) => options.onBlock?.({ ...p, episode: e }),
    });
  }

  /** The last tokens before number `end`, as many as a block has. */
  #newest(history: History, end: number): number[] {
    return history.tokens(end - this.#run.plan.blockSize, end);
  }

  /**
   * Tokens of the history up to the end of the last segment; all of them where nothing was said
   * since.
   */
  #indexedTokens(history: History): number {
    const last = this.segments.at(-1);
    if (!last) return 0;
    return last.end === history.utterances.length
      ? history.length
      : history.utterances[last.end - 1].end;
  }
}
