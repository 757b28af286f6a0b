// Which segments of a growing conversation belong to which episode, and the patched prompt of each.
// It is clustered when it is first asked for; what is said later joins the nearest episode. Where
// too much fits no episode, or the conversation has become much longer, it is clustered anew. It
// knows no caches.
import type { Run } from '../engine/run.ts';
import { type Clusters, cluster, clusterAuto } from './cluster.ts';
import { cosine } from './embed.ts';
import type { History } from './history.ts';
import { matchEpisodes, type Match } from './match.ts';
import { medoidText, typicalSegments } from './medoid.ts';
import type { SegmentIndex } from './segment-index.ts';

export interface ClusteringOptions {
  /** E: clusters at most; 'auto' chooses, up to `most`. */
  readonly count: number | 'auto';
  readonly most: number;
  readonly medoids: number;
  readonly restarts: number;
  readonly seed: number;
}

/** The conversation is clustered anew when it is this much longer than when it was clustered. */
const REGROW = 1.5;
/**
 * A segment fits its episode if its cosine to the centroid is at least this share of the least
 * typical member's (which the centroid was made from).
 */
const FITTING_SHARE = 0.5;
/** Segments that fit none, as a share of all, that make a new clustering worth its price. */
const MISFITS = 0.1;

/** What belongs to an episode. */
interface Membership {
  /** Its segments: the most typical first, then as they joined. */
  readonly members: number[];
  /** Those whose text is its patched prompt. */
  readonly medoids: number[];
  /** Tokens of that prompt. */
  prompt: readonly number[];
  /** Cosine to the centroid below which a segment does not fit. */
  readonly fit: number;
}

export class Clustering {
  /** Times the conversation was clustered, for those who measure. */
  times = 0;
  readonly #run: Run;
  readonly #index: SegmentIndex;
  readonly #options: ClusteringOptions;
  readonly #promptOf: (text: string) => number[];
  #episodes: Membership[] = [];
  /** Episode of each segment of the index. */
  #labels: number[] = [];
  #centroids: Float32Array[] = [];
  /** Tokens of the conversation when it was clustered. */
  #clusteredTokens = 0;
  /** Segments that joined an episode which they do not fit. */
  #misfits = 0;
  /**
   * The index was rebuilt and clustering failed: episodes still name the segments of the old one.
   */
  #unfinished = false;

  /** `promptOf` makes the patched prompt's tokens of an episode's text. */
  constructor(
    run: Run,
    index: SegmentIndex,
    options: ClusteringOptions,
    promptOf: (text: string) => number[],
  ) {
    this.#run = run;
    this.#index = index;
    this.#options = options;
    this.#promptOf = promptOf;
  }

  get episodes(): readonly Membership[] {
    return this.#episodes;
  }

  get centroidBytes(): number {
    return this.#centroids.reduce((sum, v) => sum + v.byteLength, 0);
  }

  /** Episodes by their likeness to a question, the best first. */
  async rank(question: string): Promise<readonly Match[]> {
    return matchEpisodes(
      await this.#index.ask(question),
      { labels: this.#labels, centroids: this.#centroids },
      this.#index.embedder,
    );
  }

  /**
   * Lets new segments join; clusters where that was not done yet, or the conversation has outgrown
   * it. Returns whether it clustered: the numbers of episodes mean other episodes then.
   */
  async refresh(history: History): Promise<boolean> {
    const grown = history.length > REGROW * this.#clusteredTokens;
    if (!this.#unfinished && this.#episodes.length > 0 && !grown) {
      await this.#index.extend(history, true);
      const joined = this.#labels.length;
      for (const [i, vector] of (await this.#index.vectors(joined)).entries())
        this.#join(joined + i, vector);
      if (this.#misfits <= MISFITS * this.#index.segments.length) return false;
    }
    await this.#cluster(history);
    return true;
  }

  /**
   * A new segment joins the nearest episode: its centroid moves towards it, and its prompt speaks
   * of it where there is room.
   */
  #join(i: number, vector: Float32Array): void {
    const near = this.#centroids.map((c) => cosineOf(vector, c));
    const e = near.indexOf(Math.max(...near));
    const { members, medoids, fit } = this.#episodes[e];
    // all that can go wrong comes before anything is changed
    const longer = this.#promptOf(medoidText([...medoids, i], this.#index.segments));
    if (near[e] < fit) this.#misfits++;
    this.#centroids[e] = this.#centroids[e].map(
      (c, j) => (c * members.length + vector[j]) / (members.length + 1),
    );
    members.push(i);
    this.#labels.push(e);
    if (longer.length > this.#run.plan.promptTokens) return;
    medoids.push(i);
    this.#episodes[e].prompt = longer;
  }

  async #cluster(history: History): Promise<void> {
    this.#unfinished = true;
    await this.#index.rebuild(history);
    const vectors = await this.#index.vectors();
    const clusters = this.#clustersOf(vectors, history);
    const episodes = Array.from({ length: Math.max(1, clusters.centroids.length) }, (_, e) =>
      this.#episodeOf(e, vectors, clusters),
    );
    this.#labels = [...clusters.labels];
    this.#centroids = [...clusters.centroids];
    this.#episodes = episodes;
    this.#clusteredTokens = history.length;
    this.#misfits = 0;
    this.#unfinished = false;
    this.times++;
  }

  #clustersOf(vectors: readonly Float32Array[], history: History): Clusters {
    const { count, most, restarts, seed } = this.#options;
    const { plan, executor } = this.#run;
    // where nothing is ever evicted all episodes' caches would be the same
    const one = history.length <= Math.min(...plan.layerRows);
    return count === 'auto' && !one
      ? clusterAuto(vectors, { most, restarts, seed }, executor.backend)
      : cluster(
          vectors,
          { count: one || count === 'auto' ? 1 : count, restarts, seed },
          executor.backend,
        );
  }

  /** The segments of a cluster, and the best of its medoids whose text fits the patched prompt. */
  #episodeOf(e: number, vectors: readonly Float32Array[], clusters: Clusters): Membership {
    const { segments } = this.#index;
    const { promptTokens } = this.#run.plan;
    const typical = clusters.centroids.length === 0 ? [] : typicalSegments(e, vectors, clusters);
    const chosen: number[] = [];
    let prompt = this.#promptOf('');
    for (const i of typical.slice(0, this.#options.medoids)) {
      const longer = this.#promptOf(medoidText([...chosen, i], segments));
      if (longer.length > promptTokens) continue;
      chosen.push(i);
      prompt = longer;
    }
    if (chosen.length === 0 && typical.length > 0)
      prompt = this.#promptOf(segments[typical[0]].text).slice(0, promptTokens);
    const last = typical.at(-1);
    const fit =
      last === undefined ? -1 : FITTING_SHARE * cosineOf(vectors[last], clusters.centroids[e]);
    return { members: typical, medoids: chosen, prompt, fit };
  }
}

/** Cosine of a unit vector and one of any length. */
function cosineOf(unit: Float32Array, other: Float32Array): number {
  return cosine(unit, other) / (Math.sqrt(cosine(other, other)) || 1);
}
