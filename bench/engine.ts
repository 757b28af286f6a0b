// The whole engine on a 135M-parameter llama in Q8_0 (30 layers, 576 wide, 9 and 3 heads of 64, feed-forward 1536, vocabulary 49152).
import { statSync } from 'node:fs';
import { planRun } from '../src/engine/plan.ts';
import { Run } from '../src/engine/run.ts';
import { loadModel } from '../src/model/model.ts';
import { planOptions } from '../test/plan-options.ts';
import type { BenchGroup } from './case.ts';
import { randomModel, SHAPE } from './random-model.ts';

const PROMPT = 512;
const REPLY = 64;

export const engine: BenchGroup = {
  name: 'engine',
  summary: `135M-parameter llama in Q8_0: load, ${PROMPT}-token prompt, ${REPLY} tokens of reply`,
  async run(_, report) {
    const path = randomModel();
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    let most = before;
    const begin = performance.now();
    const model = await loadModel(path, { onProgress: () => void (most = Math.max(most, process.memoryUsage().rss)) });
    report({
      name: 'load',
      rate: performance.now() - begin,
      unit: 'ms',
      note: `process grew by ${((most - before) / statSync(path).size).toFixed(2)} x the file at most`,
    });
    for (const policy of ['full', 'snapkv', 'kvzip']) {
      const evicts = policy !== 'full';
      const plan = planRun(model.transformer, planOptions(policy, { budget: { tokens: evicts ? 192 : 640 }, blockSize: 128 }));
      const rates: number[][] = [[], []];
      for (let round = 0; round < 3; round++) {
        const run = new Run(model.transformer, plan);
        const tokens = Array.from({ length: PROMPT }, (__, i) => (i * 7919 + round) % SHAPE.vocabulary);
        let at = performance.now();
        for (let i = 0; i < PROMPT; i += 128) run.step(tokens.slice(i, i + 128));
        rates[0].push(PROMPT / ((performance.now() - at) / 1000));
        at = performance.now();
        for (let i = 0; i < REPLY; i++) {
          run.extend([i]);
          run.logits(0);
        }
        rates[1].push(REPLY / ((performance.now() - at) / 1000));
        run.dispose();
      }
      const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];
      report({ name: `prefill ${PROMPT}, ${policy}`, rate: median(rates[0]), unit: 'tokens/s', note: `${model.backend.build} kernels, 1 thread` });
      report({ name: `decode ${REPLY}, ${policy}`, rate: median(rates[1]), unit: 'tokens/s' });
    }
    model.dispose();
  },
};
