// The segments of a conversation as documents: which words each has, their vectors, and which of
// them are the most alike. Sparse vectors: what they come to is in lexical.ts.
import { countOf, GRAM_WEIGHT, lengthOf, piecesOf, scaled, type Sparse } from './features.ts';
import { wordsOf } from './words.ts';

/** Segments that lend a text their words. Of 1 to 99 these found most episodes. */
const SPREAD_SEGMENTS = 4;
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

export class Documents {
  #documents: Document[] = [];
  #words = 0;
  /** Documents with a word or piece, ascending. */
  readonly #containing = new Map<string, number[]>();

  get all(): readonly Document[] {
    return this.#documents;
  }

  /** Words of all of them. */
  get words(): number {
    return this.#words;
  }

  /** Documents with a word or piece, ascending. */
  with(feature: string): readonly number[] {
    return this.#containing.get(feature) ?? [];
  }

  clear(): void {
    this.#documents = [];
    this.#words = 0;
    this.#containing.clear();
  }

  /** Adds texts. Those that were there before keep their vectors. */
  add(texts: readonly string[]): void {
    const documents = this.#documents;
    const from = documents.length;
    const counted = texts.map((text) => countOf(wordsOf(text)));
    texts.forEach((text, i) => {
      for (const feature of new Set([...counted[i].keys(), ...piecesOf(text)])) {
        if (!this.#containing.has(feature)) this.#containing.set(feature, []);
        this.#containing.get(feature)!.push(from + i);
      }
    });
    for (const words of counted) {
      const length = [...words.values()].reduce((a, b) => a + b, 0);
      documents.push({ words, length, weights: new Map(), near: [], spreadLength: 1 });
      this.#words += length;
    }
    // what a word tells depends on all that are there now
    for (let i = from; i < documents.length; i++)
      documents[i] = { ...documents[i], weights: this.weigh(documents[i].words, texts[i - from]) };
    for (let i = from; i < documents.length; i++) {
      documents[i].near = nearest(this.products(documents[i].weights));
      documents[i].spreadLength = lengthOf(this.spread(documents[i].weights)) || 1;
    }
  }

  /** The unit vector of a text, of whose words `counts` are. */
  weigh(counts: ReadonlyMap<string, number>, text: string): Sparse {
    const weights = new Map<string, number>();
    this.#addUnit(weights, counts, 1);
    this.#addUnit(weights, countOf(piecesOf(text)), GRAM_WEIGHT);
    return scaled(weights, 1 / (lengthOf(weights) || 1));
  }

  /** Products of a vector with every document's. */
  products(weights: Sparse): Float64Array {
    const sums = new Float64Array(this.#documents.length);
    for (const [feature, weight] of weights)
      for (const i of this.with(feature))
        sums[i] += weight * (this.#documents[i].weights.get(feature) ?? 0);
    return sums;
  }

  /** A text's vector with those of the documents most like it. */
  spread(own: Sparse): Map<string, number> {
    const sum = new Map(own);
    for (const [i, cosine] of nearest(this.products(own)))
      for (const [feature, weight] of this.#documents[i].weights)
        sum.set(feature, (sum.get(feature) ?? 0) + cosine * weight);
    return sum;
  }

  /** Adds the vector of some features, its length made `length`. */
  #addUnit(into: Map<string, number>, counts: ReadonlyMap<string, number>, length: number): void {
    const documents = this.#documents.length;
    const own = new Map<string, number>();
    for (const [feature, count] of counts)
      own.set(
        feature,
        Math.log(1 + count) * (1 + Math.log((1 + documents) / (1 + this.with(feature).length))),
      );
    const by = length / (lengthOf(own) || 1);
    for (const [feature, weight] of own) into.set(feature, weight * by);
  }
}

/** The most alike first, the earlier on ties. */
function nearest(cosines: Float64Array): [number, number][] {
  const best: [number, number][] = [];
  for (let i = 0; i < cosines.length; i++) {
    if (!(cosines[i] > (best.length === SPREAD_SEGMENTS ? best[SPREAD_SEGMENTS - 1][1] : 0)))
      continue;
    const place = best.findIndex(([, cosine]) => cosine < cosines[i]);
    best.splice(place < 0 ? best.length : place, 0, [i, cosines[i]]);
    best.length = Math.min(best.length, SPREAD_SEGMENTS);
  }
  return best;
}
