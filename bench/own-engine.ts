// Our engine on a model file, beside others: prompts in blocks, replies token by token.
import { Run } from '../src/engine/run.ts';
import { planRun } from '../src/engine/plan.ts';
import type { Model } from '../src/engine/model.ts';
import { planOptions } from '../test/plan-options.ts';
import { type EngineTask, type OpenEngine, promptOf } from './task.ts';

/** Tokens of a block. */
export const BLOCK = 128;

/** A model that is loaded, under a policy; one that evicts keeps `rows` rows a head. */
export function ownEngine(
  { executor }: Model,
  { prompt, reply }: Omit<EngineTask, 'path' | 'threads'>,
  policy = 'full',
  rows = 192,
): OpenEngine {
  const tokens = policy === 'full' ? prompt + 2 * BLOCK : rows;
  const plan = planRun(executor, planOptions(policy, { budget: { tokens }, blockSize: BLOCK }));
  return {
    name: 'recollect',
    async measure(round) {
      const run = new Run(executor, plan);
      const text = promptOf(prompt, round);
      let at = performance.now();
      for (let i = 0; i < prompt; i += BLOCK) await run.step(text.slice(i, i + BLOCK));
      const prefill = prompt / ((performance.now() - at) / 1000);
      at = performance.now();
      for (let i = 0; i < reply; i++) {
        await run.append([i]);
        await run.logits(0);
      }
      const decode = reply / ((performance.now() - at) / 1000);
      run.dispose();
      return { prefill, decode };
    },
    close: () => Promise.resolve(),
  };
}
