// What the demo measures of a policy: its answers at one budget, its accuracy over others, and what
// the cache held meanwhile.
import type { Model } from '../engine/model.ts';
import type { Dialogue } from '../eval/datasets/dataset.ts';
import { type EvalBudget, type EvalHooks, evaluate } from '../eval/evaluate.ts';
import type { CacheTrace } from '../eval/report.ts';
import type { EvalResult } from '../eval/results.ts';
import type { Terminal } from './command.ts';

/** Share of a conversation that is kept, as 1 / SHARE; and further ones, of one conversation. */
export const SHARE = 8;
const SWEEP = [4, 16];
export const BLOCK = 256;
const EPISODES = { count: 8, medoids: 8, segmentTurns: 8 };

export interface Measurement {
  readonly policy: string;
  readonly result: EvalResult;
  /** Share of the rows that is kept, and accuracy on the first conversation. */
  readonly points: [number, number][];
  readonly trace: CacheTrace;
}

/** Measures a policy. Rejects with the terminal's signal when aborted. */
export async function measurePolicy(
  model: Model,
  dialogues: readonly Dialogue[],
  policy: string,
  terminal: Terminal,
): Promise<Measurement> {
  const options = { blockSize: BLOCK, episodes: EPISODES };
  const progress: EvalHooks = {
    signal: terminal.signal,
    onProgress: (done, total) => terminal.progress(`${policy}: ${done} of ${total} questions`),
  };
  const measure = (some: readonly Dialogue[], budget: EvalBudget, hooks: EvalHooks = {}) =>
    evaluate(model, some, { policy, budget, options }, { ...progress, ...hooks });
  const watch = watchCache(policy);
  const result = await measure(dialogues, { share: 1 / SHARE }, watch.hooks);
  const first = result.answers.filter((a) => a.conversation === dialogues[0].id);
  const accuracy = first.filter((a) => a.correct).length / first.length;
  const points: [number, number][] = [[1 / SHARE, accuracy]];
  for (const s of SWEEP) {
    const at = policy === 'full' ? { accuracy } : await measure([dialogues[0]], { share: 1 / s });
    points.push([1 / s, at.accuracy]);
  }
  return { policy, result, points, trace: watch.trace() };
}

/** Listens to the cache of the first conversation. */
function watchCache(policy: string): { hooks: EvalHooks; trace(): CacheTrace } {
  let points: [number, number][] = [];
  let promisedCacheBytes = 0;
  let before = 0;
  const layers = new Map<number, readonly Int32Array[]>();
  return {
    hooks: {
      onConversation(index, memory) {
        if (index === 0) promisedCacheBytes = memory.promisedCacheBytes;
      },
      onBlock(index, seen, bytes) {
        if (index > 0) return;
        // the next episode begins at the first token again
        if (seen <= before) points = [];
        before = seen;
        points.push([seen, bytes]);
      },
      onKept: (index) => (layer, heads) => {
        if (index === 0) layers.set(layer, heads);
      },
    },
    trace() {
      const kept = [...layers.entries()].sort((a, b) => a[0] - b[0]).flatMap(([, heads]) => heads);
      return { policy, points, promisedCacheBytes, kept };
    },
  };
}
