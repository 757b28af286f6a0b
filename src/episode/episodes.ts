// Episodes of a growing conversation: clustered when it is first asked, one cache an episode, one
// of them resident. What is said later joins the nearest episode; a cache that is asked for is
// brought up to date with what was said since. Where too much fits no episode, or the conversation
// has become much longer, it is clustered anew.
import { LostError, type Stored } from '../cache/stored.ts';
import { prefill, type PrefillOptions } from '../engine/prefill.ts';
import type { Run } from '../engine/run.ts';
import { StoreError } from '../errors.ts';
import { type Clusters, cluster, clusterAuto } from './cluster.ts';
import { cosine } from './embed.ts';
import type { History } from './history.ts';
import { matchEpisodes } from './match.ts';
import { medoidText, typicalSegments } from './medoid.ts';
import type { Segment } from './segment.ts';
import type { SegmentIndex } from './segment-index.ts';
import type { EpisodeStore } from './store.ts';

export interface EpisodeOptions {
  /** E: clusters at most; 'auto' chooses. */
  readonly count: number | 'auto';
  readonly medoids: number;
  readonly restarts: number;
  readonly seed: number;
  /**
   * How many episodes a question is answered from; 'auto': two where the second best is nearly as
   * good.
   */
  readonly answerFrom: 1 | 2 | 'auto';
}

/** The most episodes that 'auto' makes. */
export const MOST_AUTO_EPISODES = 8;
/** The conversation is clustered anew when it is this much longer than when it was clustered. */
const REGROW = 1.5;
/**
 * A segment fits its episode if its cosine to the centroid is at least this share of the least
 * typical member's (which the centroid was made from).
 */
const FITTING_SHARE = 0.5;
/** Segments that fit none, as a share of all, that make a new clustering worth its price. */
const MISFITS = 0.1;
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

/**
 * An episode's part in a conversation that grows: its patched prompt, what its cache has seen, who
 * belongs to it.
 */
interface Part {
  readonly members: number[];
  readonly medoids: number[];
  prompt: readonly number[];
  /**
   * Tokens of the history that its cache has seen, and those of them that are still the
   * conversation's.
   */
  covered: number;
  valid: number;
  /** Number of what is stored of it, new each time; 0 where nothing is. */
  stored: number;
  /** Cosine to the centroid below which a segment does not fit. */
  readonly fit: number;
}

const nameOf = (e: number) => `episode ${e}`;

export class Episodes {
  readonly #run: Run;
  readonly #index: SegmentIndex;
  readonly #store: EpisodeStore;
  readonly #options: EpisodeOptions;
  readonly #promptOf: (text: string) => number[];
  #labels: number[] = []; // of the index's segments
  #centroids: Float32Array[] = [];
  #parts: Part[] = [];
  /** Episode whose cache is in the run, -1 before the first question and where two were joined. */
  #resident = -1;
  #clusteredTokens = 0;
  #misfits = 0;
  /** What was begun was not finished: segments and episodes are not of one clustering. */
  #torn = false;
  /**
   * Numbers that no other conversation has, and how often something was stored: nothing else is
   * taken for what was.
   */
  readonly #own = crypto.getRandomValues(new Int32Array(2));
  #puts = 0;
  /** Times the conversation was clustered, for those who measure. */
  clusterings = 0;
  /** Times that a stored cache was lost or damaged, and made again from the history. */
  remade = 0;

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
    this.#store = store;
    this.#options = options;
    this.#promptOf = promptOf;
  }

  get segments(): readonly Segment[] {
    return this.#index.segments;
  }

  get episodes(): readonly Episode[] {
    return this.#parts.map(({ members, medoids, prompt }) => ({
      segments: members,
      medoids,
      promptTokens: prompt.length,
    }));
  }

  /** Bytes of the vectors of segments and episodes. */
  get indexBytes(): number {
    return this.#index.bytes + this.#centroids.reduce((sum, v) => sum + v.byteLength, 0);
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
    // as often as one of them is found to be lost, which is made again, it is tried again
    for (let tries = MOST_TRIES; ; tries--) {
      for (const e of [second, first])
        if (!this.#whole(e, history)) await this.#reside(e, history, options);
      this.#resident = -1;
      try {
        if (await this.#join(first, second, history)) return chosen;
        await this.#reside(first, history, options);
        return [first];
      } catch (error) {
        const lost =
          error instanceof LostError ? chosen.find((e) => nameOf(e) === error.stored) : undefined;
        if (lost === undefined || tries === 0 || this.#store.closed) throw error;
        this.#lose(lost);
      }
    }
  }

  /**
   * Makes the union of two episodes' caches resident; false, with nothing changed, where they
   * cannot be put together.
   */
  #join(first: number, second: number, history: History): Promise<boolean> {
    const newest = this.#newest(history, history.length);
    return this.#lend(first, (a) =>
      this.#lend(second, (b) => this.#run.restoreUnion(a, b, newest)),
    );
  }

  /**
   * Lends what is stored of an episode. Rejects with LostError where it is not what it should be.
   */
  async #lend<T>(e: number, use: (stored: Stored) => Promise<T>): Promise<T> {
    let lent = false;
    try {
      return await this.#store.get(String(e), (from) => {
        lent = true;
        return use({
          from,
          tag: [this.#own[0], this.#own[1], e, this.#parts[e].stored],
          name: nameOf(e),
        });
      });
    } catch (error) {
      throw error instanceof StoreError && !lent
        ? new LostError(nameOf(e), error.message, error)
        : error;
    }
  }

  /** What was stored of an episode is of no use: it will be made again. */
  #lose(e: number): void {
    Object.assign(this.#parts[e], { covered: 0, valid: 0, stored: 0 });
    this.remade++;
  }

  /** Prepares every episode's cache, so that no question has to wait for it. */
  async prepare(history: History, options: PrefillOptions): Promise<void> {
    await this.#refresh(history);
    for (const e of this.#parts.keys())
      if (!this.#whole(e, history)) await this.#reside(e, history, options);
  }

  /** The history has other tokens from number `token` on than it had. */
  changedFrom(token: number): void {
    for (const part of this.#parts) part.valid = Math.min(part.valid, token);
  }

  /** Whether what is stored of an episode has seen all of the history, and nothing else. */
  #whole(e: number, history: History): boolean {
    const { covered, valid } = this.#parts[e];
    return covered === history.length && valid === covered;
  }

  async #match(question: string): Promise<number[]> {
    if (this.#parts.length === 1) return [0];
    const { answerFrom } = this.#options;
    const ranked = matchEpisodes(
      await this.#index.ask(question),
      this.#clusters,
      this.#index.embedder,
    );
    const two =
      answerFrom === 2 ||
      (answerFrom === 'auto' && ranked[1].likeness >= NEARLY_AS_GOOD * ranked[0].likeness);
    return ranked.slice(0, two ? 2 : 1).map((r) => r.episode);
  }

  get #clusters(): Pick<Clusters, 'labels' | 'centroids'> {
    return { labels: this.#labels, centroids: this.#centroids };
  }

  /**
   * Lets new segments join; clusters where that was not done yet, or the conversation has outgrown
   * it.
   */
  async #refresh(history: History): Promise<void> {
    if (!this.#torn && this.#parts.length > 0 && history.length <= REGROW * this.#clusteredTokens) {
      await this.#index.extend(history, true);
      const joined = this.#labels.length;
      for (const [i, vector] of (await this.#index.vectors(joined)).entries())
        this.#take(joined + i, vector);
      if (this.#misfits <= MISFITS * this.segments.length) return;
    }
    await this.#cluster(history);
  }

  /**
   * A new segment joins the nearest episode: its centroid moves towards it, and its prompt speaks
   * of it where there is room.
   */
  #take(i: number, vector: Float32Array): void {
    const near = this.#centroids.map((c) => cosineOf(vector, c));
    const e = near.indexOf(Math.max(...near));
    const { members, medoids, fit } = this.#parts[e];
    // all that can go wrong comes before anything is changed
    const longer = this.#promptOf(medoidText([...medoids, i], this.segments));
    if (near[e] < fit) this.#misfits++;
    this.#centroids[e] = this.#centroids[e].map(
      (c, j) => (c * members.length + vector[j]) / (members.length + 1),
    );
    members.push(i);
    this.#labels.push(e);
    if (longer.length > this.#run.plan.promptTokens) return;
    medoids.push(i);
    this.#parts[e].prompt = longer;
  }

  async #cluster(history: History): Promise<void> {
    const { count, medoids, restarts, seed } = this.#options;
    const run = this.#run;
    this.#torn = true;
    await this.#index.rebuild(history);
    const { segments } = this.#index;
    const vectors = await this.#index.vectors();
    const { backend } = run.executor;
    // where nothing is ever evicted all episodes' caches would be the same
    const fits = history.length <= Math.min(...run.plan.layerRows);
    const clusters =
      count === 'auto' && !fits
        ? clusterAuto(vectors, { most: MOST_AUTO_EPISODES, restarts, seed }, backend)
        : cluster(
            vectors,
            { count: fits || count === 'auto' ? 1 : count, restarts, seed },
            backend,
          );
    const parts: Part[] = [];
    for (let e = 0; e < Math.max(1, clusters.centroids.length); e++) {
      const typical = clusters.centroids.length === 0 ? [] : typicalSegments(e, vectors, clusters);
      // the best medoids whose text fits
      const chosen: number[] = [];
      let prompt = this.#promptOf('');
      for (const i of typical.slice(0, medoids)) {
        const longer = this.#promptOf(medoidText([...chosen, i], segments));
        if (longer.length > run.plan.promptTokens) continue;
        chosen.push(i);
        prompt = longer;
      }
      if (chosen.length === 0 && typical.length > 0)
        prompt = this.#promptOf(segments[typical[0]].text).slice(0, run.plan.promptTokens);
      const last = typical.at(-1);
      const fit =
        last === undefined ? -1 : FITTING_SHARE * cosineOf(vectors[last], clusters.centroids[e]);
      parts.push({
        members: typical,
        medoids: chosen,
        prompt,
        covered: 0,
        valid: 0,
        stored: 0,
        fit,
      });
    }
    const before = this.#parts.length;
    this.#labels = [...clusters.labels];
    this.#centroids = [...clusters.centroids];
    this.#parts = parts;
    this.#resident = -1;
    this.#clusteredTokens = history.length;
    this.#misfits = 0;
    this.#torn = false;
    this.clusterings++;
    // the others' are overwritten when they are made
    for (let e = parts.length; e < before; e++) await this.#store.remove(String(e));
  }

  #newest(history: History, end: number): number[] {
    return history.tokens(end - this.#run.plan.blockSize, end);
  }

  async #reside(e: number, history: History, options: PrefillOptions): Promise<void> {
    const run = this.#run;
    const part = this.#parts[e];
    if (this.#resident === e && run.token === part.covered && this.#whole(e, history)) return;
    this.#resident = -1;
    if (part.covered > 0) {
      try {
        const newest = this.#newest(history, part.covered);
        await this.#lend(e, (stored) => run.restore(stored, newest));
      } catch (error) {
        if (!(error instanceof StoreError) || this.#store.closed) throw error;
        this.#lose(e);
      }
    }
    if (part.covered === 0) await run.clear();
    else if (part.valid < part.covered)
      await run.takeBack(part.valid, this.#newest(history, part.valid));
    if (!this.#whole(e, history)) {
      // what is in no segment yet no prompt speaks of: it looks for itself
      const indexed = this.#indexedTokens(history);
      run.prompt = (block) =>
        run.token + block.length > indexed ? [...block, ...part.prompt] : part.prompt;
      await prefill(run, history.tokens(part.valid), {
        ...options,
        onBlock: (p) => options.onBlock?.({ ...p, episode: e }),
      });
      await this.#keep(e, history.length);
    }
    this.#resident = e;
  }

  /** Stores the run as an episode's cache, which has seen so many tokens. */
  async #keep(e: number, covered: number): Promise<void> {
    const part = this.#parts[e];
    const stored = ++this.#puts;
    // in memory the new one takes the old one's place, and where that fails there is none
    if (this.#store.kind === 'memory') Object.assign(part, { covered: 0, valid: 0, stored: 0 });
    await this.#store.put(String(e), (out) =>
      this.#run.save([this.#own[0], this.#own[1], e, stored], out),
    );
    Object.assign(part, { covered, valid: covered, stored });
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

/** Cosine of a unit vector and one of any length. */
function cosineOf(unit: Float32Array, other: Float32Array): number {
  return cosine(unit, other) / (Math.sqrt(cosine(other, other)) || 1);
}
