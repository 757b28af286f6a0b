// The embedders by name, and those of two kinds: the model's own input embeddings, and a user's
// function. lexical.ts is the third.
import { OptionError } from '../errors.ts';
import type { Model } from '../engine/model.ts';
import { type Embedder, normalise } from './embed.ts';
import { lexicalEmbedder } from './lexical.ts';

/** A user's embedder: any function, synchronous or not. */
export type EmbedFunction = (
  texts: readonly string[],
) => Promise<ArrayLike<number>[]> | ArrayLike<number>[];

/** How options name an embedder. */
export type EmbedderOption = 'lexical' | 'model' | EmbedFunction;

/** `ending` tells what may end the wait for a user's function. */
export function createEmbedder(
  option: EmbedderOption,
  model: Model,
  ending: () => readonly AbortSignal[] = () => [],
): Embedder {
  if (option === 'lexical') return lexicalEmbedder();
  if (option === 'model') return modelEmbedder(model);
  if (typeof option === 'function') return userEmbedder((texts) => until(ending(), option(texts)));
  throw new OptionError(
    `no embedder '${String(option)}'; there are lexical, model, or a function from texts to ` +
      'vectors',
  );
}

/** What work resolves to; rejects with the first reason to end before. */
async function until<T>(ending: readonly AbortSignal[], work: T | PromiseLike<T>): Promise<T> {
  const stop = new AbortController();
  const { signal } = stop;
  const ended = new Promise<never>((_, reject) => {
    for (const { aborted, reason } of ending) if (aborted) reject(reason);
    for (const one of ending) one.addEventListener('abort', () => reject(one.reason), { signal });
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    stop.abort();
  }
}

/** The mean of the model's own input embeddings. */
export function modelEmbedder({ executor, config, tokenizer }: Model): Embedder {
  const { width: D } = config;
  return {
    name: 'model',
    async embed(texts) {
      const vectors: Float32Array[] = [];
      for (const text of texts) {
        const numbers = await executor.embed(tokenizer.encode(text));
        const sum = new Float32Array(D);
        for (let i = 0; i < numbers.length; i++) sum[i % D] += numbers[i];
        vectors.push(normalise(sum));
      }
      return vectors;
    },
  };
}

/**
 * Checks what a user's function returns. Throws OptionError where it is not one finite vector of
 * one length a text.
 */
export function userEmbedder(embed: EmbedFunction): Embedder {
  let dimensions = 0;
  return {
    name: 'user',
    fit() {
      dimensions = 0; // all vectors are asked for anew
    },
    async embed(texts) {
      const vectors = await embed(texts);
      if (!Array.isArray(vectors) || vectors.length !== texts.length) {
        throw new OptionError(
          `the embedder returned ` +
            `${Array.isArray(vectors) ? `${vectors.length} vectors` : typeof vectors} for ` +
            `${texts.length} texts: return one vector a text`,
        );
      }
      let length = dimensions;
      const checked = Array.from(vectors, (vector: ArrayLike<number> | undefined, i) => {
        if (typeof vector !== 'object' || vector === null || !Number.isInteger(vector.length))
          throw new OptionError(
            `the embedder's vector ${i} is ${vector === null ? 'null' : typeof vector}: return ` +
              `arrays of numbers`,
          );
        const numbers = Float32Array.from(vector);
        length ||= numbers.length;
        if (numbers.length !== length || length === 0)
          throw new OptionError(
            `the embedder's vector ${i} has ${numbers.length} numbers, the first had ${length}: ` +
              `all must have the same length`,
          );
        const bad = numbers.findIndex((x) => !Number.isFinite(x));
        if (bad >= 0)
          throw new OptionError(
            `the embedder's vector ${i} has ${numbers[bad]} at place ${bad}: return finite numbers`,
          );
        return normalise(numbers);
      });
      // vectors of a call that was refused count for nothing
      dimensions = length;
      return checked;
    },
  };
}
