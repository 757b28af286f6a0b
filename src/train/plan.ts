// What a training takes, before anything is reserved: gradients and moments of what is trained, and
// a batch's activations, of as many layers as there is memory for.
import type { Backend } from '../backend/backend.ts';
import { BudgetError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import type { ModelConfig } from '../model/config.ts';
import { learningBytes, type LearningShape } from '../model/learning-room.ts';
import type { LayerRange } from '../model/tensors.ts';

export interface TrainingPlan extends LearningShape {
  /** Bytes of what is trained beside the model's weights, of gradients and of moments. */
  readonly parameterBytes: number;
  /** Bytes of a batch's activations, and the backend's scratch. */
  readonly activationBytes: number;
  /** Both: exactly this is reserved, and nothing later. */
  readonly totalBytes: number;
}

export interface PlanWish {
  readonly config: ModelConfig;
  readonly range: LayerRange;
  readonly backend: Backend;
  readonly parameterBytes: number;
  /** Tokens of the longest example, and the line it stands in. */
  readonly longest: number;
  readonly longestLine: number;
  /** Tokens of the largest step. */
  readonly stepTokens: number;
  /** Highest rank of an adapter. */
  readonly rank: number;
  /** Most bytes. */
  readonly memory: number;
}

/** Tokens that products are fast with; more bring little. */
const GOOD_TOKENS = 512;
/** Numbers of log-odds held at a time, about. */
const HEAD_NUMBERS = 1 << 22;
const LEAST_HEAD_TOKENS = 8;

/** Tokens whose log-odds are held at a time, of `tokens` that are in a batch. */
export function headTokensOf({ vocabulary }: ModelConfig, tokens: number): number {
  return Math.min(tokens, Math.max(LEAST_HEAD_TOKENS, Math.floor(HEAD_NUMBERS / vocabulary)));
}

/** Tokens at a time where there is memory for them. */
export const goodTokens = (longest: number, stepTokens: number): number =>
  Math.max(longest, Math.min(GOOD_TOKENS, stepTokens));

/**
 * As many tokens at a time, and as many layers' activations, as fit. Throws BudgetError that names
 * the longest line where it does not fit alone.
 */
export function planTraining(wish: PlanWish): TrainingPlan {
  const { config, range, backend, parameterBytes, longest, memory } = wish;
  const layers = range.end - range.first;
  const good = goodTokens(longest, wish.stepTokens);
  const shapeOf = (tokens: number, keptLayers: number): LearningShape => ({
    tokens,
    keptLayers,
    headTokens: headTokensOf(config, tokens),
    rank: wish.rank,
  });
  const bytesOf = (shape: LearningShape) => learningBytes(config, range, backend, shape);
  const plan = (shape: LearningShape): TrainingPlan => {
    const activationBytes = bytesOf(shape);
    const totalBytes = parameterBytes + activationBytes;
    return { ...shape, parameterBytes, activationBytes, totalBytes };
  };
  // fewer tokens before layers are computed twice
  for (let tokens = good; ; tokens = Math.max(longest, tokens >> 1)) {
    const all = plan(shapeOf(tokens, layers));
    if (all.totalBytes <= memory) return all;
    if (tokens === longest) break;
  }
  let kept = layers - 1;
  while (kept > 0 && plan(shapeOf(longest, kept)).totalBytes > memory) kept--;
  const least = plan(shapeOf(longest, kept));
  if (least.totalBytes <= memory) return least;
  throw new BudgetError(
    `training on line ${wish.longestLine}, the longest with ${longest} tokens, takes ` +
      `${formatBytes(least.totalBytes)} beside the model (${formatBytes(parameterBytes)} of them ` +
      `for what is trained), memory allows ${formatBytes(memory)}: split the line, lower the ` +
      `rank, or allow more memory`,
  );
}
