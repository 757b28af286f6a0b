// Which examples are learned from in which step: an order of its own for each epoch, drawn from the
// seed and nothing else, so that a training that goes on later goes on with the same ones.
import type { Sequence } from '../backend/training.ts';
import { createRandom, hashText } from '../math/rng.ts';
import { NO_TARGET } from '../model/learning.ts';

/** A text that is learned from. */
export interface Example {
  readonly tokens: readonly number[];
  /** Whether the token is one that the model should have said: the first one never is. */
  readonly isLearned: readonly boolean[];
  /** Where it stands in its file, from 1 on. */
  readonly line: number;
}

/** Examples that go through the layers together. */
export interface MicroBatch {
  readonly tokens: readonly number[];
  /** What should follow each token; NO_TARGET where nothing is learned. */
  readonly targets: readonly number[];
  readonly sequences: readonly Sequence[];
  /** What the sequences are of. */
  readonly examples: readonly Example[];
}

/** Numbers 0 .. count - 1 in a random order (Fisher and Yates). */
export function shuffled(count: number, seed: number): number[] {
  const random = createRandom(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/**
 * The examples of a step, counted from 0: `size` of them, in an order that begins anew with each
 * epoch; the last step of an epoch takes what is left.
 */
export function examplesOf(
  examples: readonly Example[],
  step: number,
  size: number,
  seed: number,
): Example[] {
  const perEpoch = stepsPerEpoch(examples.length, size);
  const epoch = Math.floor(step / perEpoch);
  const order = shuffled(examples.length, hashText(`epoch ${epoch}`, seed));
  const from = (step % perEpoch) * size;
  return order.slice(from, from + size).map((i) => examples[i]);
}

/** How many lines examples are from. */
export const linesOf = (examples: readonly Example[]): number =>
  new Set(examples.map(({ line }) => line)).size;

export const stepsPerEpoch = (examples: number, size: number): number => Math.ceil(examples / size);

/** How many targets examples have. */
export const targetsIn = (examples: readonly Example[]): number =>
  examples.reduce((sum, { isLearned }) => sum + isLearned.filter(Boolean).length, 0);

/**
 * Examples side by side, in their order, as many as fit into `capacity` tokens at a time. What
 * follows the last token that is learned teaches nothing, and stays out.
 */
export function* packed(examples: readonly Example[], capacity: number): Generator<MicroBatch> {
  let batch = emptyBatch();
  for (const example of examples) {
    const { tokens, isLearned } = example;
    // the last token learned is a target and no input
    const count = isLearned.lastIndexOf(true);
    if (count <= 0) continue;
    if (batch.tokens.length > 0 && batch.tokens.length + count > capacity) {
      yield batch;
      batch = emptyBatch();
    }
    batch.sequences.push({ from: batch.tokens.length, count });
    batch.examples.push(example);
    for (let i = 0; i < count; i++) {
      batch.tokens.push(tokens[i]);
      batch.targets.push(isLearned[i + 1] ? tokens[i + 1] : NO_TARGET);
    }
  }
  if (batch.tokens.length > 0) yield batch;
}

const emptyBatch = () => ({
  tokens: [] as number[],
  targets: [] as number[],
  sequences: [] as Sequence[],
  examples: [] as Example[],
});
