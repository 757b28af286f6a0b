// How well a conversation's episodes and segments find the evidence of its questions, without a
// language model (data sets' usual measures).
import type { Backend } from '../backend/backend.ts';
import { cluster, clusterAuto } from '../episode/cluster.ts';
import { MOST_AUTO_EPISODES } from '../episode/episodes.ts';
import type { Embedder } from '../episode/embed.ts';
import { matchEpisodes, rankSegments } from '../episode/match.ts';
import { tellingWords } from '../episode/words.ts';
import { segmentsOf } from '../episode/segment.ts';
import { type Dialogue, saidIn } from './datasets/dataset.ts';

export interface EpisodeReport {
  readonly id: string;
  readonly segments: number;
  /** Segments of each episode, and the words that tell it from the others. */
  readonly sizes: readonly number[];
  readonly words: readonly (readonly string[])[];
  /**
   * Mean over questions of the share of evidence turns whose segment belongs to the best episode,
   * and to the best two.
   */
  readonly match: number;
  readonly match2: number;
  /** Share of evidence turns whose segment is among the k most similar to the question. */
  readonly recall: Readonly<Record<'1' | '4' | '16', number>>;
  /**
   * What match would be if episodes were chosen in proportion to their size: sum of (segments in it
   * / segments)^2.
   */
  readonly chance: number;
  /** Questions with evidence, those that count. */
  readonly questions: number;
  readonly droppedEvidence: number;
}

export interface EpisodeSettings {
  /** E: clusters at most; 'auto' chooses. */
  readonly count: number | 'auto';
  readonly segmentTurns: number;
  readonly restarts: number;
  readonly seed: number;
}

const RECALL_AT = [1, 4, 16] as const;
const WORDS = 8;

export async function measureEpisodes(
  dialogue: Dialogue,
  embedder: Embedder,
  settings: EpisodeSettings,
  backend: Backend,
): Promise<EpisodeReport> {
  const segments = segmentsOf(
    dialogue.turns.map((turn) => ({ text: saidIn(turn) })),
    settings.segmentTurns,
  );
  const texts = segments.map((s) => s.text);
  embedder.fit?.(texts);
  const vectors = await embedder.embed(texts);
  const { count } = settings;
  const clusters =
    count === 'auto'
      ? clusterAuto(vectors, { ...settings, most: MOST_AUTO_EPISODES }, backend)
      : cluster(vectors, { ...settings, count }, backend);
  const { labels } = clusters;
  const E = Math.max(1, clusters.centroids.length);
  const asked = dialogue.questions.filter((q) => q.evidence.length > 0);
  const questions = await embedder.embed(asked.map((q) => q.question));
  // a long turn may lie in several segments: it is found where one of them is
  const segmentsOfTurn = (turn: number) =>
    segments.flatMap((s, i) => (s.first <= turn && turn < s.end ? [i] : []));
  const sums = { match: 0, match2: 0, recall: { '1': 0, '4': 0, '16': 0 } };
  asked.forEach(({ question, evidence }, q) => {
    const places = evidence.map(segmentsOfTurn);
    const share = (found: (segment: number) => boolean) =>
      places.filter((own) => own.some(found)).length / places.length;
    const about = { text: question, vector: questions[q] };
    const episodes = matchEpisodes(about, clusters, embedder).map((m) => m.episode);
    sums.match += share((i) => labels[i] === episodes[0]);
    sums.match2 += share((i) => episodes.slice(0, 2).includes(labels[i]));
    const ranked = rankSegments(about, vectors, embedder);
    for (const k of RECALL_AT) {
      const nearest = new Set(ranked.slice(0, k));
      sums.recall[`${k}`] += share((i) => nearest.has(i));
    }
  });
  const n = asked.length || 1;
  const sizes = Array.from({ length: E }, (_, e) => labels.filter((l) => l === e).length);
  return {
    id: dialogue.id,
    segments: segments.length,
    sizes,
    words: tellingWords(texts, labels, E, WORDS),
    match: sums.match / n,
    match2: sums.match2 / n,
    recall: { '1': sums.recall['1'] / n, '4': sums.recall['4'] / n, '16': sums.recall['16'] / n },
    chance: sizes.reduce((sum, size) => sum + (size / Math.max(1, segments.length)) ** 2, 0),
    questions: asked.length,
    droppedEvidence: dialogue.droppedEvidence ?? 0,
  };
}
