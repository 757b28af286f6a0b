// The embedders by name, and those of two kinds: the model's own input embeddings, and a user's function. lexical.ts is the third.
import { OptionError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import { type Embedder, normalise } from './embed.ts';
import { lexicalEmbedder } from './lexical.ts';

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
