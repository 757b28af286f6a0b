// The embedder that needs no weights: words of a conversation, weighed by how much they tell. What
// it does beyond TF-IDF, and what each step was worth on text that it was not tuned to, is in
// docs/log.md.
import { hashText } from '../math/rng.ts';
import { Documents } from './documents.ts';
import { type Embedder, normalise } from './embed.ts';
import { countOf, lengthOf } from './features.ts';
import { wordsOf } from './words.ts';

/**
 * Dimensions of the hashed vector: few collisions among the some thousand words of a long
 * conversation.
 */
const LEXICAL_DIMENSIONS = 2048;
/**
 * BM25's saturation of repeated words and its correction for long segments: the values of most
 * search engines.
 */
const BM25_K1 = 1.2;
const BM25_B = 0.75;
/**
 * Share of their likeness that the segments before and behind lend: what is said next is about the
 * same.
 */
const NEIGHBOUR_WEIGHT = 0.2;
/** How much likeness by words used together counts beside the question's own words. */
const RELATED_WEIGHT = 0.5;

/**
 * Vectors: Porter stems and pieces of four letters, log(1 + count) x (1 + ln((1 + n) / (1 +
 * segments with it))); then the vectors of the four segments most like the text are added, each
 * weighted by its cosine, so that words used together count as alike ('hockey' comes near 'sport',
 * as in pseudo-relevance feedback); hashed. Likeness of a question: BM25 over stems, a fifth of the
 * neighbours' added, and half the cosine of those vectors.
 */
export function lexicalEmbedder(): Embedder {
  const documents = new Documents();
  return {
    name: 'lexical',
    fit(texts) {
      documents.clear();
      documents.add(texts);
    },
    extend: (texts) => documents.add(texts),
    embed: async (texts) => texts.map((text) => hashed(vectorOf(text, documents))),
    likeness(question) {
      const direct = wordScores(question, documents);
      const around = direct.map(
        (s, i) => s + NEIGHBOUR_WEIGHT * ((direct[i - 1] ?? 0) + (direct[i + 1] ?? 0)),
      );
      const most = around.reduce((a, b) => Math.max(a, b), Number.MIN_VALUE);
      const related = cosines(question, documents);
      return documents.all.map((_, i) => around[i] / most + RELATED_WEIGHT * related[i]);
    },
  };
}

/** A text's vector, with those of the segments most like it. */
const vectorOf = (text: string, documents: Documents): Map<string, number> =>
  documents.spread(documents.weigh(countOf(wordsOf(text)), text));

function hashed(weights: ReadonlyMap<string, number>): Float32Array {
  const vector = new Float32Array(LEXICAL_DIMENSIONS);
  for (const [feature, weight] of weights) {
    const hash = hashText(feature);
    // the sign, from another bit, lets collisions cancel on average
    vector[hash % LEXICAL_DIMENSIONS] += hash & 0x80000000 ? -weight : weight;
  }
  return normalise(vector);
}

/** BM25 of every segment for the words of a question. */
function wordScores(question: string, documents: Documents): Float64Array {
  const n = documents.all.length;
  const mean = documents.words / n || 1;
  const scores = new Float64Array(n);
  for (const word of new Set(wordsOf(question))) {
    const holders = documents.with(word);
    const idf = Math.log(1 + (n - holders.length + 0.5) / (holders.length + 0.5));
    for (const i of holders) {
      const { words, length } = documents.all[i];
      const count = words.get(word) ?? 0;
      scores[i] +=
        (idf * count * (BM25_K1 + 1)) / (count + BM25_K1 * (1 - BM25_B + (BM25_B * length) / mean));
    }
  }
  return scores;
}

/** Cosines of a question's vector with those of all segments. */
function cosines(question: string, documents: Documents): number[] {
  const sum = vectorOf(question, documents);
  const length = lengthOf(sum) || 1;
  const along = documents.products(sum);
  return documents.all.map(
    ({ near, spreadLength }, i) =>
      near.reduce((s, [j, cosine]) => s + cosine * along[j], along[i]) / (spreadLength * length),
  );
}
