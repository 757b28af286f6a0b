// The embedder that needs no weights: words of a conversation, weighed by how much they tell. What
// it does beyond TF-IDF, and what each step was worth on text that it was not tuned to, is in
// docs/log.md.
import { hashText } from '../math/rng.ts';
import { type Embedder, normalise } from './embed.ts';
import { wordsOf } from './words.ts';

/**
 * Dimensions of the hashed vector: few collisions among the some thousand words of a long
 * conversation.
 */
const LEXICAL_DIMENSIONS = 2048;
/**
 * Characters of the pieces of words that count beside whole stems, and how much they do: misspelt,
 * compound and unknown forms still meet.
 */
const GRAM = 4;
const GRAM_WEIGHT = 0.6;
/** Segments that lend a text their words. Of 1 to 99 these found most episodes. */
const SPREAD_SEGMENTS = 4;
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

/** Weights of words (as they are) and of pieces of words (marked by a leading '#'). */
type Sparse = ReadonlyMap<string, number>;

interface Document {
  readonly words: ReadonlyMap<string, number>;
  readonly length: number;
  readonly weights: Sparse;
  /**
   * The segments nearest to it with their cosines, and the length of the vector with theirs added.
   */
  near: readonly (readonly [segment: number, cosine: number])[];
  spreadLength: number;
}

/**
 * Vectors: Porter stems and pieces of four letters, log(1 + count) x (1 + ln((1 + n) / (1 +
 * segments with it))); then the vectors of the four segments most like the text are added, each
 * weighted by its cosine, so that words used together count as alike ('hockey' comes near 'sport',
 * as in pseudo-relevance feedback); hashed. Likeness of a question: BM25 over stems, a fifth of the
 * neighbours' added, and half the cosine of those vectors.
 */
export function lexicalEmbedder(): Embedder {
  let documents: Document[] = [];
  let words = 0; // of all documents
  const containing = new Map<string, number[]>(); // segments with a word or piece
  const holders = (feature: string) => containing.get(feature)?.length ?? 0;

  const weigh = (counts: ReadonlyMap<string, number>, text: string): Sparse => {
    const weights = new Map<string, number>();
    addUnit(weights, counts, 1);
    addUnit(weights, countOf(piecesOf(text)), GRAM_WEIGHT);
    return scaled(weights, 1 / (lengthOf(weights) || 1));
  };
  const addUnit = (
    into: Map<string, number>,
    counts: ReadonlyMap<string, number>,
    share: number,
  ) => {
    const own = new Map<string, number>();
    for (const [feature, count] of counts)
      own.set(
        feature,
        Math.log(1 + count) * (1 + Math.log((1 + documents.length) / (1 + holders(feature)))),
      );
    const by = share / (lengthOf(own) || 1);
    for (const [feature, weight] of own) into.set(feature, weight * by);
  };
  /** Products with every document's vector. */
  const products = (weights: Sparse): Float64Array => {
    const sums = new Float64Array(documents.length);
    for (const [feature, weight] of weights)
      for (const i of containing.get(feature) ?? [])
        sums[i] += weight * (documents[i].weights.get(feature) ?? 0);
    return sums;
  };
  /** The most alike first, the earlier on ties. */
  const nearest = (cosines: Float64Array): [number, number][] => {
    const best: [number, number][] = [];
    for (let i = 0; i < cosines.length; i++) {
      if (!(cosines[i] > (best.length === SPREAD_SEGMENTS ? best[SPREAD_SEGMENTS - 1][1] : 0)))
        continue;
      const place = best.findIndex(([, cosine]) => cosine < cosines[i]);
      best.splice(place < 0 ? best.length : place, 0, [i, cosines[i]]);
      best.length = Math.min(best.length, SPREAD_SEGMENTS);
    }
    return best;
  };
  /** A text's vector with those of the segments most like it. */
  const spread = (own: Sparse): Map<string, number> => {
    const sum = new Map(own);
    for (const [i, cosine] of nearest(products(own)))
      for (const [feature, weight] of documents[i].weights)
        sum.set(feature, (sum.get(feature) ?? 0) + cosine * weight);
    return sum;
  };

  return {
    name: 'lexical',
    fit(texts) {
      documents = [];
      words = 0;
      containing.clear();
      this.extend!(texts);
    },
    extend(texts) {
      const counted = texts.map((text) => countOf(wordsOf(text)));
      texts.forEach((text, i) => {
        for (const feature of new Set([...counted[i].keys(), ...piecesOf(text)])) {
          if (!containing.has(feature)) containing.set(feature, []);
          containing.get(feature)!.push(documents.length + i);
        }
      });
      const from = documents.length;
      for (const own of counted) {
        const length = [...own.values()].reduce((a, b) => a + b, 0);
        documents.push({ words: own, length, weights: new Map(), near: [], spreadLength: 1 });
        words += length;
      }
      for (let i = from; i < documents.length; i++)
        documents[i] = { ...documents[i], weights: weigh(documents[i].words, texts[i - from]) };
      for (let i = from; i < documents.length; i++) {
        documents[i].near = nearest(products(documents[i].weights));
        documents[i].spreadLength = lengthOf(spread(documents[i].weights)) || 1;
      }
    },
    async embed(texts) {
      return texts.map((text) => {
        const vector = new Float32Array(LEXICAL_DIMENSIONS);
        for (const [feature, weight] of spread(weigh(countOf(wordsOf(text)), text))) {
          const hash = hashText(feature);
          // the sign, from another bit, lets collisions cancel on average
          vector[hash % LEXICAL_DIMENSIONS] += hash & 0x80000000 ? -weight : weight;
        }
        return normalise(vector);
      });
    },
    likeness(question) {
      const asked = wordsOf(question);
      const n = documents.length;
      const mean = words / n || 1;
      const direct = new Float64Array(n);
      for (const word of new Set(asked)) {
        const own = containing.get(word) ?? [];
        const idf = Math.log(1 + (n - own.length + 0.5) / (own.length + 0.5));
        for (const i of own) {
          const count = documents[i].words.get(word) ?? 0;
          direct[i] +=
            (idf * count * (BM25_K1 + 1)) /
            (count + BM25_K1 * (1 - BM25_B + (BM25_B * documents[i].length) / mean));
        }
      }
      const around = direct.map(
        (s, i) => s + NEIGHBOUR_WEIGHT * ((direct[i - 1] ?? 0) + (direct[i + 1] ?? 0)),
      );
      const most = around.reduce((a, b) => Math.max(a, b), Number.MIN_VALUE);
      const sum = spread(weigh(countOf(asked), question));
      const length = lengthOf(sum) || 1;
      const along = products(sum);
      return documents.map(({ near, spreadLength }, i) => {
        const related =
          near.reduce((s, [j, cosine]) => s + cosine * along[j], along[i]) /
          (spreadLength * length);
        return around[i] / most + RELATED_WEIGHT * related;
      });
    },
  };
}

/** Pieces of GRAM characters of each word, its ends marked. */
function piecesOf(text: string): string[] {
  return wordsOf(text).flatMap((word) => {
    const marked = `_${word}_`;
    return Array.from(
      { length: Math.max(0, marked.length - GRAM + 1) },
      (_, i) => `#${marked.slice(i, i + GRAM)}`,
    );
  });
}

function countOf(features: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const feature of features) counts.set(feature, (counts.get(feature) ?? 0) + 1);
  return counts;
}

function lengthOf(weights: Sparse): number {
  let sum = 0;
  for (const weight of weights.values()) sum += weight * weight;
  return Math.sqrt(sum);
}

function scaled(weights: Sparse, by: number): Sparse {
  return new Map([...weights].map(([feature, weight]) => [feature, weight * by]));
}
