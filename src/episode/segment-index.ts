// The segments of a growing conversation, embedded as they come: what episodes are made of, and
// what questions are compared with.
import type { Embedder } from './embed.ts';
import type { History, Said } from './history.ts';
import { type Asked, rankSegments } from './match.ts';
import { type Segment, segmentsOf } from './segment.ts';

/**
 * Once there are this many times the segments that the embedder last learned from, it learns from
 * all of them again: other words are common now.
 */
const RELEARN = 2;

const NO_VECTOR = new Float32Array();

export class SegmentIndex {
  readonly embedder: Embedder;
  readonly #segmentTurns: number;
  segments: Segment[] = [];
  /** Of the segments, kept only for an embedder that ranks by them. */
  #vectors: Float32Array[] = [];
  #utterances = 0; // that segments cover
  #learned = 0;
  /**
   * A rebuild failed half-way: the embedder has learned from other segments than there are here.
   */
  #torn = false;

  constructor(embedder: Embedder, segmentTurns: number) {
    this.embedder = embedder;
    this.#segmentTurns = segmentTurns;
  }

  get bytes(): number {
    return this.#vectors.reduce((sum, v) => sum + v.byteLength, 0);
  }

  /** Cuts and embeds everything anew, the last segment being shorter where turns are left over. */
  async rebuild(history: History): Promise<void> {
    const segments = segmentsOf(history.utterances, this.#segmentTurns);
    const texts = segments.map((s) => s.text);
    this.#torn = true;
    this.embedder.fit?.(texts);
    this.#vectors = await this.#rankingVectors(texts);
    this.#torn = false;
    this.segments = segments;
    this.#utterances = history.utterances.length;
    this.#learned = segments.length;
  }

  /**
   * Adds the segments that have become whole since; returns how many. Rebuilds where the embedder
   * has to learn anew, unless `keep`.
   */
  async extend(history: History, keep = false): Promise<number> {
    const before = this.segments.length;
    if (this.#torn) {
      await this.rebuild(history);
      return this.segments.length - before;
    }
    const whole =
      history.utterances.length -
      ((history.utterances.length - this.#utterances) % this.#segmentTurns);
    if (whole <= this.#utterances) return 0;
    const segments = segmentsOf(
      history.utterances.slice(this.#utterances, whole),
      this.#segmentTurns,
    );
    if (!keep && before + segments.length > RELEARN * this.#learned) {
      await this.rebuild(history);
      return this.segments.length - before;
    }
    const texts = segments.map((s) => s.text);
    this.embedder.extend?.(texts);
    const vectors = await this.#rankingVectors(texts);
    // (concat: a long line makes more segments than a call has arguments)
    this.#vectors = this.#vectors.concat(vectors);
    this.segments = this.segments.concat(
      segments.map((s) => ({
        ...s,
        first: s.first + this.#utterances,
        end: s.end + this.#utterances,
      })),
    );
    this.#utterances = whole;
    return segments.length;
  }

  async #rankingVectors(texts: readonly string[]): Promise<Float32Array[]> {
    return this.embedder.likeness ? [] : this.embedder.embed(texts);
  }

  /** Vectors of the segments from number `first` on. */
  async vectors(first = 0): Promise<readonly Float32Array[]> {
    return this.embedder.likeness
      ? this.embedder.embed(this.segments.slice(first).map((s) => s.text))
      : this.#vectors.slice(first);
  }

  async ask(text: string): Promise<Asked> {
    const [vector = NO_VECTOR] = await this.#rankingVectors([text]);
    return { text, vector };
  }

  /** Segments by likeness to a question, best first. */
  rank(question: Asked): number[] {
    return rankSegments(question, this.#vectors, this.embedder);
  }

  /** The utterances of a segment. */
  saidIn(i: number, history: History): readonly Said[] {
    return history.utterances.slice(this.segments[i].first, this.segments[i].end);
  }
}
