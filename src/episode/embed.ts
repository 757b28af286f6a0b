// Embedders: texts to unit vectors whose cosine says how alike their topics are.
import { OptionError } from '../errors.ts';
import { hashText } from '../math/rng.ts';
import type { Model } from '../model/model.ts';

export interface Embedder {
  readonly name: string;
  /** Learns from the conversation's segments what is common and what is telling. Called before embed, again when the conversation grew. */
  fit?(texts: readonly string[]): void;
  /** Vectors of one length, one a text, L2-normalised; a text of which nothing is known gets zeros. */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
}

/** A user's embedder: any function, synchronous or not. */
export type EmbedFunction = (texts: readonly string[]) => Promise<ArrayLike<number>[]> | ArrayLike<number>[];

/** How options name an embedder. */
export type EmbedderOption = 'lexical' | 'model' | EmbedFunction;

export function createEmbedder(option: EmbedderOption, model: Model): Embedder {
  if (option === 'lexical') return lexicalEmbedder();
  if (option === 'model') return modelEmbedder(model);
  if (typeof option === 'function') return userEmbedder(option);
  throw new OptionError(`no embedder '${String(option)}'; there are lexical, model, or a function from texts to vectors`);
}

/** Words that say nothing of a topic. */
const STOP_WORDS = new Set(
  `a about after again all also am an and any are as at be because been before being but by can could did do does doing don down for from further get go going got had has have having he her here hers
  him his how i if in into is it its just know let like ll me more most my no nor not now of off on once only or other our out over own re really s said same say says she so some such t than that the
  their them then there these they thing things think this those through to too under until up us very was we well were what when where which while who whom why will with would yes you your ve`.split(
    /\s+/,
  ),
);

/** Dimensions of the hashed vector: few collisions among the some thousand words of a long conversation. */
const LEXICAL_DIMENSIONS = 2048;
/** Segments that lend a text their words, and how much. Of 1 to 99 segments and weights 0.5 to 2, these found most episodes (docs/log.md). */
const SPREAD_SEGMENTS = 4;
const SPREAD_WEIGHT = 1;

/** Words of a text as the lexical embedder counts them: lower case, no stop words, endings cut. */
export function wordsOf(text: string): string[] {
  return (text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).filter((w) => !STOP_WORDS.has(w)).map(stemOf);
}

/** A crude stem, so that 'sports', 'cooked' and 'cooking' meet 'sport' and 'cook'. What it makes need not be a word. */
function stemOf(word: string): string {
  if (word.length < 4) return word;
  const singular = word
    .replace(/ies$/, 'y')
    .replace(/sses$/, 'ss')
    .replace(/(?<!s)s$/, '');
  return singular.replace(/(?<=.{3})(ing|ed)$/, '').replace(/e$/, '');
}

/** Places and weights of a vector that is mostly zeros. */
type Sparse = ReadonlyMap<number, number>;

/**
 * Hashed TF-IDF, spread over the conversation: log(1 + count) x (1 + ln((1 + n) / (1 + segments with the word))), each word at a place
 * given by its hash; then the vectors of the segments most like the text are added, each weighted by its cosine. So words that are used
 * together count as alike ('hockey' comes near 'sport'), as in pseudo-relevance feedback, and a question meets its topic more often.
 */
export function lexicalEmbedder(): Embedder {
  let documents = 0;
  const containing = new Map<string, number>();
  let segments: Sparse[] = [];
  const weigh = (text: string): Sparse => {
    const counts = new Map<string, number>();
    for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
    const weights = new Map<number, number>();
    for (const [word, count] of counts) {
      const idf = 1 + Math.log((1 + documents) / (1 + (containing.get(word) ?? 0)));
      const hash = hashText(word);
      const at = hash % LEXICAL_DIMENSIONS;
      // the sign, from another bit, lets collisions cancel on average
      weights.set(at, (weights.get(at) ?? 0) + (hash & 0x80000000 ? -1 : 1) * Math.log(1 + count) * idf);
    }
    const length = Math.hypot(...weights.values()) || 1;
    for (const [at, weight] of weights) weights.set(at, weight / length);
    return weights;
  };
  return {
    name: 'lexical',
    fit(texts) {
      documents = texts.length;
      containing.clear();
      for (const text of texts) for (const word of new Set(wordsOf(text))) containing.set(word, (containing.get(word) ?? 0) + 1);
      segments = texts.map(weigh);
    },
    async embed(texts) {
      return texts.map((text) => {
        const own = weigh(text);
        const vector = new Float32Array(LEXICAL_DIMENSIONS);
        for (const [at, weight] of own) vector[at] = weight;
        const alike = segments.map((segment) => ({ segment, cosine: dotSparse(own, segment) })).filter((s) => s.cosine > 0);
        alike.sort((a, b) => b.cosine - a.cosine);
        for (const { segment, cosine } of alike.slice(0, SPREAD_SEGMENTS)) for (const [at, weight] of segment) vector[at] += SPREAD_WEIGHT * cosine * weight;
        return normalise(vector);
      });
    },
  };
}

function dotSparse(a: Sparse, b: Sparse): number {
  let sum = 0;
  for (const [at, weight] of a) sum += weight * (b.get(at) ?? 0);
  return sum;
}

/** Tokens embedded at once. */
const EMBED_TOKENS = 64;

/** The mean of the model's own input embeddings. */
export function modelEmbedder(model: Model): Embedder {
  const { backend, config, transformer, tokenizer } = model;
  const { width: D } = config;
  return {
    name: 'model',
    async embed(texts) {
      const release = backend.reserveScratch({ tokens: 1, queryHeads: config.queryHeads, kvHeads: config.kvHeads, headDim: config.headDim, width: D });
      const ids = backend.arena.allocate(EMBED_TOKENS * 4);
      const rows = { address: backend.arena.allocate(EMBED_TOKENS * D * 4), columns: D };
      try {
        return texts.map((text) => {
          const tokens = tokenizer.encode(text);
          const sum = new Float32Array(D);
          for (let at = 0; at < tokens.length; at += EMBED_TOKENS) {
            const part = tokens.slice(at, at + EMBED_TOKENS);
            backend.ints(ids, part.length).set(part);
            backend.embed(rows, transformer.weights.embedding, ids, part.length);
            const numbers = backend.floats(rows.address, part.length * D);
            for (let i = 0; i < numbers.length; i++) sum[i % D] += numbers[i];
          }
          return normalise(sum);
        });
      } finally {
        backend.arena.free(ids);
        backend.arena.free(rows.address);
        release();
      }
    },
  };
}

/** Checks what a user's function returns. Throws OptionError where it is not one finite vector of one length a text. */
export function userEmbedder(embed: EmbedFunction): Embedder {
  let dimensions = 0;
  return {
    name: 'user',
    async embed(texts) {
      const vectors = await embed(texts);
      if (!Array.isArray(vectors) || vectors.length !== texts.length) {
        throw new OptionError(
          `the embedder returned ${Array.isArray(vectors) ? `${vectors.length} vectors` : typeof vectors} for ${texts.length} texts: return one vector a text`,
        );
      }
      return vectors.map((vector, i) => {
        const numbers = Float32Array.from(vector as ArrayLike<number>);
        dimensions ||= numbers.length;
        if (numbers.length !== dimensions || dimensions === 0)
          throw new OptionError(`the embedder's vector ${i} has ${numbers.length} numbers, the first had ${dimensions}: all must have the same length`);
        const bad = numbers.findIndex((x) => !Number.isFinite(x));
        if (bad >= 0) throw new OptionError(`the embedder's vector ${i} has ${numbers[bad]} at place ${bad}: return finite numbers`);
        return normalise(numbers);
      });
    },
  };
}

function normalise(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const x of vector) sum += x * x;
  if (sum > 0) {
    const by = 1 / Math.sqrt(sum);
    for (let i = 0; i < vector.length; i++) vector[i] *= by;
  }
  return vector;
}

/** Cosine of unit vectors. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
