// What a training is a training of, in words: all that decides what comes out. A checkpoint of
// anything else is not gone on with.
import { checksum, EMPTY_CHECKSUM } from '../cache/checksum.ts';
import type { Network } from '../model/forward.ts';
import type { TrainingRecord } from './checkpoint.ts';
import type { Lines } from './data.ts';
import { fingerprint } from './fingerprint.ts';
import type { TrainOptions } from './options.ts';
import type { TrainingPlan } from './plan.ts';
import type { TrainerOptions } from './trainer.ts';

type Adapter = Required<Pick<TrainOptions, 'method' | 'rank' | 'alpha' | 'targets'>>;

/** A checksum of all lines, and of what is learned of them. */
export function checksumOfLines({ learned, heldOut }: Lines): number {
  let lines = EMPTY_CHECKSUM;
  for (const { tokens, isLearned } of [...learned, ...heldOut]) {
    lines = checksum(lines, Int32Array.from([tokens.length, ...isLearned.map(Number)]));
    lines = checksum(lines, Int32Array.from(tokens));
  }
  return lines;
}

export async function identityOf(
  network: Network,
  lines: Lines,
  { method, rank, alpha, targets }: Adapter,
  trainer: TrainerOptions,
  plan: TrainingPlan,
): Promise<TrainingRecord['of']> {
  const told = {
    method,
    ...(method === 'lora' && { rank, alpha, targets: targets.join() }),
    ...trainer,
    'number of examples held out': lines.heldOut.length,
    'number of tokens at a time (memory)': `${plan.tokens}, ${plan.headTokens}`,
    'build of the kernels': network.backend.build,
    'checksum of all lines': checksumOfLines(lines),
    'checksum of the model (load it anew where it was trained since)': await fingerprint(network),
  };
  return Object.fromEntries(Object.entries(told).map(([key, value]) => [key, String(value)]));
}
