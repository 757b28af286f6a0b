// Log-probabilities after every token of a text: what fixtures and other engines are compared by.
import { Cache } from '../cache/cache.ts';
import { ContextError, OptionError } from '../errors.ts';
import type { Model } from '../model/model.ts';

/** Tokens of a text, and after each the most probable next tokens with their natural-log probabilities, best first. */
export interface TextLogits {
  text: string;
  tokens: number[];
  top: [token: number, logProbability: number][][];
}

/** Largest number of tokens forwarded at once here. */
const BLOCK = 128;

/** Runs a text through the model with a full cache. Throws OptionError for an empty text, ContextError for one past the context length. */
export function textLogits(model: Model, text: string, top: number): TextLogits {
  const { transformer, tokenizer, config, backend } = model;
  const tokens = tokenizer.encode(text);
  if (tokenizer.addBos && tokenizer.bosToken !== undefined) tokens.unshift(tokenizer.bosToken);
  if (tokens.length === 0) throw new OptionError('the text is empty: there is no token to follow');
  if (tokens.length > config.contextLength)
    throw new ContextError(`${tokens.length} tokens, the model's context holds ${config.contextLength}: shorten the text`);
  const shape = {
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    rowType: 'f16',
    keptRows: new Array<number>(config.layers).fill(0),
    room: tokens.length,
  } as const;
  const cache = new Cache(backend, shape);
  const workspace = transformer.createWorkspace(Math.min(BLOCK, tokens.length));
  try {
    const steps: [number, number][][] = [];
    for (let at = 0; at < tokens.length; at += BLOCK) {
      const block = tokens.slice(at, at + BLOCK);
      transformer.forward(block, { cache, workspace, position: at, token: at });
      for (let t = 0; t < block.length; t++) steps.push(topLogProbabilities(transformer.logits(workspace, t), top));
    }
    return { text, tokens, top: steps };
  } finally {
    workspace.dispose();
    cache.dispose();
  }
}

/** The `count` largest of softmax(logits), as natural logs, best first, ties to the lower token. */
export function topLogProbabilities(logits: Float32Array, count: number): [number, number][] {
  let peak = Number.NEGATIVE_INFINITY;
  for (const x of logits) if (x > peak) peak = x;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - peak);
  const norm = peak + Math.log(sum);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  return order.slice(0, count).map((token) => [token, Number((logits[token] - norm).toFixed(5))]);
}
