// Log-probabilities after every token of a text: what fixtures and other engines are compared by.
import { text as readText, whole } from '../arguments.ts';
import { ContextError, OptionError } from '../errors.ts';
import { everything } from './everything.ts';
import { type Model, readModel } from './model.ts';
import { planRun } from './plan.ts';
import { blocksOf } from './prefill.ts';
import { Run } from './run.ts';
import { notFinite } from './sampling/argmax.ts';

/**
 * Tokens of a text, and after each the most probable next tokens with their natural-log
 * probabilities, best first.
 */
export interface TextLogits {
  text: string;
  tokens: number[];
  top: [token: number, logProbability: number][][];
}

/** Largest number of tokens forwarded at once here. */
const BLOCK = 128;

/**
 * Runs a text through the model with a full cache. Throws OptionError for arguments of a wrong kind
 * and an empty text, ContextError for one past the context length.
 */
export async function textLogits(model: Model, text: string, top: number): Promise<TextLogits> {
  const { executor, tokenizer, config } = readModel(model);
  const tokens = tokenizer.encode(readText('text', text));
  whole('top', top, 0, Number.POSITIVE_INFINITY);
  if (tokenizer.addBos && tokenizer.bosToken !== undefined) tokens.unshift(tokenizer.bosToken);
  if (tokens.length === 0) throw new OptionError('the text is empty: there is no token to follow');
  if (tokens.length > config.contextLength)
    throw new ContextError(
      `${tokens.length} tokens, the model's context holds ${config.contextLength}: shorten the ` +
        'text',
    );
  const blockSize = Math.min(BLOCK, tokens.length, Math.max(1, config.contextLength >> 1));
  const plan = planRun(executor, { ...everything, budget: { tokens: tokens.length }, blockSize });
  const run = new Run(executor, plan);
  try {
    const steps: [number, number][][] = [];
    for (const block of blocksOf(tokens, blockSize)) {
      await run.append(block);
      for (let t = 0; t < block.length; t++) {
        steps.push(await run.read(t, (logits) => topLogProbabilities(logits, top)));
      }
    }
    return { text, tokens, top: steps };
  } finally {
    run.dispose();
  }
}

/** The `count` largest of softmax(logits), as natural logs, best first, ties to the lower token. */
export function topLogProbabilities(logits: Float32Array, count: number): [number, number][] {
  let peak = Number.NEGATIVE_INFINITY;
  for (const x of logits) if (x > peak) peak = x;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - peak);
  const norm = peak + Math.log(sum);
  if (!Number.isFinite(norm)) throw notFinite(logits);
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  return order.slice(0, count).map((token) => [token, Number((logits[token] - norm).toFixed(5))]);
}
