// Episodes of a growing conversation: clustered when it is first asked, one cache a cluster, one of them resident; brought up to date
// with what was said since, and clustered anew once the conversation has grown by a share.
import { prefill, type PrefillOptions } from '../engine/prefill.ts';
import type { Run } from '../engine/run.ts';
import { type Clusters, cluster } from './cluster.ts';
import type { History } from './history.ts';
import { matchEpisodes } from './match.ts';
import { medoidText, typicalSegments } from './medoid.ts';
import type { Segment } from './segment.ts';
import type { SegmentIndex } from './segment-index.ts';
import type { EpisodeStore } from './store.ts';

export interface EpisodeOptions {
  /** E: clusters at most. */
  readonly count: number;
  readonly medoids: number;
  readonly restarts: number;
  readonly seed: number;
}

/** The conversation is clustered anew when it is this much longer than when it was clustered. */
const REGROW = 1.25;

export interface Episode {
  readonly segments: readonly number[];
  readonly medoids: readonly number[];
  readonly promptTokens: number;
}

export class Episodes {
  readonly #run: Run;
  readonly #index: SegmentIndex;
  readonly #store: EpisodeStore;
  readonly #options: EpisodeOptions;
  readonly #promptOf: (text: string) => number[];
  clusters: Clusters = { labels: [], centroids: [], inertia: 0 };
  episodes: Episode[] = [];
  /** Episode whose cache is in the run, -1 before the first question. */
  #resident = -1;
  #prompts: number[][] = [];
  #covered: number[] = []; // tokens of the history that each episode's cache has seen
  #clusteredTokens = 0;

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

  /** Bytes of the vectors of segments and episodes. */
  get indexBytes(): number {
    return this.#index.bytes + this.clusters.centroids.reduce((sum, v) => sum + v.byteLength, 0);
  }

  /**
   * Makes the cache of the episode that a question is about resident, covering the whole history. Returns the episode.
   * An abort leaves the episodes that were finished; the rest is made at the next question.
   */
  async focus(question: string, history: History, options: PrefillOptions): Promise<number> {
    await this.#refresh(history);
    const e = this.episodes.length === 1 ? 0 : await this.#match(question);
    await this.#reside(e, history, options);
    return e;
  }

  /** Prepares every episode's cache, so that no question has to wait for it. */
  async prepare(history: History, options: PrefillOptions): Promise<void> {
    await this.#refresh(history);
    for (let e = 0; e < this.episodes.length; e++) if (this.#covered[e] < history.length) await this.#reside(e, history, options);
  }

  /** Clusters where that was not done yet, or the conversation has outgrown it. */
  async #refresh(history: History): Promise<void> {
    if (this.episodes.length === 0 || history.length > REGROW * this.#clusteredTokens) await this.#cluster(history);
  }

  async #cluster(history: History): Promise<void> {
    const { count, medoids, restarts, seed } = this.#options;
    const run = this.#run;
    await this.#index.rebuild(history);
    const { segments, vectors } = this.#index;
    // where nothing is ever evicted all episodes' caches would be the same
    const E = history.length <= Math.min(...run.plan.layerRows) ? 1 : count;
    const clusters = cluster(vectors, { count: E, restarts, seed }, run.transformer.backend);
    const episodes: Episode[] = [];
    const prompts: number[][] = [];
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
      prompts.push(prompt);
      episodes.push({ segments: typical, medoids: chosen, promptTokens: prompt.length });
    }
    await this.#store.clear();
    this.clusters = clusters;
    this.episodes = episodes;
    this.#resident = -1;
    this.#prompts = prompts;
    this.#covered = episodes.map(() => 0);
    this.#clusteredTokens = history.length;
  }

  async #match(question: string): Promise<number> {
    return matchEpisodes(await this.#index.ask(question), this.clusters, this.#index.embedder)[0];
  }

  async #reside(e: number, history: History, options: PrefillOptions): Promise<void> {
    const run = this.#run;
    const covered = this.#covered[e];
    if (this.#resident === e && run.token === covered && covered === history.length) return;
    this.#resident = -1;
    if (covered === 0) run.clear();
    else run.restore(await this.#store.get(String(e)), `episode ${e}`, history.tokens(covered - run.plan.blockSize, covered));
    if (covered < history.length) {
      // what was said since the clusters were made belongs to every episode until they are made anew: it looks for itself too
      run.prompt = (block) => (run.token < this.#clusteredTokens ? this.#prompts[e] : [...block, ...this.#prompts[e]]);
      await prefill(run, history.tokens(covered), options);
      await this.#store.put(String(e), run.save());
      this.#covered[e] = history.length;
    }
    this.#resident = e;
  }
}
