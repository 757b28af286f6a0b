// Episodes of a growing conversation: clustered when it is first asked, one cache an episode, one of them resident. What is said later joins the
// nearest episode; a cache that is asked for is brought up to date with what was said since. Where too much fits no episode, or the conversation has
// become much longer, it is clustered anew.
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
  /** How many episodes a question is answered from; 'auto': two where the second best is nearly as good. */
  readonly answerFrom: 1 | 2 | 'auto';
}

/** The most episodes that 'auto' makes. */
export const MOST_AUTO_EPISODES = 8;
/** The conversation is clustered anew when it is this much longer than when it was clustered. */
const REGROW = 1.5;
/** A segment fits its episode if its cosine to the centroid is at least this share of the least typical member's (which the centroid was made from). */
const FITTING_SHARE = 0.5;
/** Segments that fit none, as a share of all, that make a new clustering worth its price. */
const MISFITS = 0.1;
/** Second best episodes with this share of the best one's votes are answered from as well. */
const NEARLY_AS_GOOD = 0.8;

export interface Episode {
  readonly segments: readonly number[];
  readonly medoids: readonly number[];
  readonly promptTokens: number;
}

/** An episode's part in a conversation that grows: its patched prompt, what its cache has seen, who belongs to it. */
interface Part {
  readonly members: number[];
  readonly medoids: number[];
  prompt: readonly number[];
  /** Tokens of the history that its cache has seen, and those of them that are still the conversation's. */
  covered: number;
  valid: number;
  /** Cosine to the centroid below which a segment does not fit. */
  readonly fit: number;
}

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
  /** Times the conversation was clustered, for those who measure. */
  clusterings = 0;
  /** Caches that were made again as what was stored of them was lost or damaged. */
  remade = 0;

  /** `promptOf` makes the patched prompt's tokens of an episode's text. */
  constructor(run: Run, index: SegmentIndex, store: EpisodeStore, options: EpisodeOptions, promptOf: (text: string) => number[]) {
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
    return this.#parts.map(({ members, medoids, prompt }) => ({ segments: members, medoids, promptTokens: prompt.length }));
  }

  /** Bytes of the vectors of segments and episodes. */
  get indexBytes(): number {
    return this.#index.bytes + this.#centroids.reduce((sum, v) => sum + v.byteLength, 0);
  }

  /**
   * Makes the cache of the episode that a question is about resident (or the union of two, under the same budget), covering the whole history. Returns
   * the episodes, best first. An abort leaves the episodes that were finished; the rest is made at the next question.
   */
  async focus(question: string, history: History, options: PrefillOptions): Promise<number[]> {
    await this.#refresh(history);
    const chosen = await this.#match(question);
    const [first, second] = chosen;
    // the best one last, so that it is the one that lies in the run
    for (const e of [...chosen].reverse()) await this.#reside(e, history, options);
    if (second === undefined) return chosen;
    let joined: boolean;
    try {
      joined = await this.#restoreBoth(first, second, history);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // what was stored is lost or damaged: made again from the history, once
      for (const e of [second, first]) {
        this.#lose(e);
        await this.#reside(e, history, options);
      }
      joined = await this.#restoreBoth(first, second, history);
    }
    if (joined) return chosen;
    await this.#reside(first, history, options);
    return [first];
  }

  /** Puts the union of two episodes' caches into the run; false where they cannot be put together. */
  async #restoreBoth(first: number, second: number, history: History): Promise<boolean> {
    const [a, b] = [await this.#store.get(String(first)), await this.#store.get(String(second))];
    this.#resident = -1;
    return this.#run.restoreUnion(a, b, `episodes ${first} and ${second}`, this.#newest(history, history.length));
  }

  /** An episode's stored cache cannot be used: it is made again from the history when it is next asked for. */
  #lose(e: number): void {
    const part = this.#parts[e];
    if (part.covered > 0) this.remade++;
    part.covered = 0;
    part.valid = 0;
    if (this.#resident === e) this.#resident = -1;
  }

  /** Prepares every episode's cache, so that no question has to wait for it. */
  async prepare(history: History, options: PrefillOptions): Promise<void> {
    await this.#refresh(history);
    for (const [e, part] of this.#parts.entries()) {
      if (part.valid < history.length || part.covered > part.valid) await this.#reside(e, history, options);
    }
  }

  /** The history has other tokens from number `token` on than it had. */
  changedFrom(token: number): void {
    for (const part of this.#parts) part.valid = Math.min(part.valid, token);
  }

  async #match(question: string): Promise<number[]> {
    if (this.#parts.length === 1) return [0];
    const { answerFrom } = this.#options;
    const ranked = matchEpisodes(await this.#index.ask(question), this.#clusters, this.#index.embedder);
    const two = answerFrom === 2 || (answerFrom === 'auto' && ranked[1].likeness >= NEARLY_AS_GOOD * ranked[0].likeness);
    return ranked.slice(0, two ? 2 : 1).map((r) => r.episode);
  }

  get #clusters(): Pick<Clusters, 'labels' | 'centroids'> {
    return { labels: this.#labels, centroids: this.#centroids };
  }

  /** Lets new segments join; clusters where that was not done yet, or the conversation has outgrown it. */
  async #refresh(history: History): Promise<void> {
    if (this.#parts.length > 0 && history.length <= REGROW * this.#clusteredTokens) {
      const before = this.segments.length;
      await this.#index.extend(history, true);
      for (const [i, vector] of (await this.#index.vectors(before)).entries()) this.#join(before + i, vector);
      if (this.#misfits <= MISFITS * this.segments.length) return;
    }
    await this.#cluster(history);
  }

  /** A new segment joins the nearest episode: its centroid moves towards it, and its prompt speaks of it where there is room. */
  #join(i: number, vector: Float32Array): void {
    const near = this.#centroids.map((c) => cosineOf(vector, c));
    const e = near.indexOf(Math.max(...near));
    if (near[e] < this.#parts[e].fit) this.#misfits++;
    const { members, medoids } = this.#parts[e];
    this.#centroids[e] = this.#centroids[e].map((c, j) => (c * members.length + vector[j]) / (members.length + 1));
    members.push(i);
    this.#labels.push(e);
    const longer = this.#promptOf(medoidText([...medoids, i], this.segments));
    if (longer.length > this.#run.plan.promptTokens) return;
    medoids.push(i);
    this.#parts[e].prompt = longer;
  }

  async #cluster(history: History): Promise<void> {
    const { count, medoids, restarts, seed } = this.#options;
    const run = this.#run;
    await this.#index.rebuild(history);
    const { segments } = this.#index;
    const vectors = await this.#index.vectors();
    const { backend } = run.executor;
    // where nothing is ever evicted all episodes' caches would be the same
    const fits = history.length <= Math.min(...run.plan.layerRows);
    const clusters =
      count === 'auto' && !fits
        ? clusterAuto(vectors, { most: MOST_AUTO_EPISODES, restarts, seed }, backend)
        : cluster(vectors, { count: fits || count === 'auto' ? 1 : count, restarts, seed }, backend);
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
      if (chosen.length === 0 && typical.length > 0) prompt = this.#promptOf(segments[typical[0]].text).slice(0, run.plan.promptTokens);
      const last = typical.at(-1);
      const fit = last === undefined ? -1 : FITTING_SHARE * cosineOf(vectors[last], clusters.centroids[e]);
      parts.push({ members: typical, medoids: chosen, prompt, covered: 0, valid: 0, fit });
    }
    await this.#store.clear();
    this.#labels = [...clusters.labels];
    this.#centroids = [...clusters.centroids];
    this.#parts = parts;
    this.#resident = -1;
    this.#clusteredTokens = history.length;
    this.#misfits = 0;
    this.clusterings++;
  }

  #newest(history: History, end: number): number[] {
    return history.tokens(end - this.#run.plan.blockSize, end);
  }

  async #reside(e: number, history: History, options: PrefillOptions): Promise<void> {
    const run = this.#run;
    const part = this.#parts[e];
    const { covered, valid } = part;
    if (this.#resident === e && run.token === covered && covered === history.length && valid === covered) return;
    this.#resident = -1;
    if (covered === 0) await run.clear();
    else {
      try {
        await run.restore(await this.#store.get(String(e)), `episode ${e}`, this.#newest(history, covered));
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        this.#lose(e);
        return this.#reside(e, history, options);
      }
    }
    if (valid < covered) await run.takeBack(valid, this.#newest(history, valid));
    if (valid < history.length) {
      // what is in no segment yet no prompt speaks of: it looks for itself
      const indexed = this.#indexedTokens(history);
      run.prompt = (block) => (run.token + block.length > indexed ? [...block, ...part.prompt] : part.prompt);
      await prefill(run, history.tokens(valid), { ...options, onBlock: (p) => options.onBlock?.({ ...p, episode: e }) });
      await this.#store.put(String(e), await run.save());
      part.covered = history.length;
      part.valid = history.length;
    }
    this.#resident = e;
  }

  /** Tokens of the history up to the end of the last segment; all of them where nothing was said since. */
  #indexedTokens(history: History): number {
    const last = this.segments.at(-1);
    if (!last) return 0;
    return last.end === history.utterances.length ? history.length : history.utterances[last.end - 1].end;
  }
}

/** Cosine of a unit vector and one of any length. */
function cosineOf(unit: Float32Array, other: Float32Array): number {
  return cosine(unit, other) / (Math.sqrt(cosine(other, other)) || 1);
}
