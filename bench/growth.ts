// A conversation of 16 times the budget: cached bytes and time per block stay flat.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readDialogues } from '../src/eval/datasets/registry.ts';
import { planRun } from '../src/engine/plan.ts';
import { Run } from '../src/engine/run.ts';
import { loadModel } from '../src/model/model.ts';
import { planOptions } from '../test/plan-options.ts';
import type { BenchGroup } from './case.ts';

const BUDGET = 512;
const BLOCK = 256;
const TIMES = 16;
const ROUNDS = 5;

export const growth: BenchGroup = {
  name: 'growth',
  summary: `a conversation of ${TIMES} x the budget of ${BUDGET} tokens: flat memory, flat time per block`,
  async run(_, report) {
    const root = new URL('../../../models/', import.meta.url);
    const model = await loadModel(fileURLToPath(new URL('recollect-tiny.gguf', root)));
    const text = readDialogues(readFileSync(new URL('conv-16k.jsonl', root), 'utf8'), 'conv-16k.jsonl')[0]
      .turns.map((t) => t.line)
      .join('');
    const tokens = model.tokenizer.encode(text).slice(0, TIMES * BUDGET);
    for (const policy of ['keydiff', 'snapkv', 'h2o', 'kvzip']) {
      const plan = planRun(model.transformer, planOptions(policy, { budget: { tokens: BUDGET }, blockSize: BLOCK }));
      const times: number[][] = [];
      const bytes: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const run = new Run(model.transformer, plan);
        for (let i = 0, b = 0; i < tokens.length; i += BLOCK, b++) {
          const begin = performance.now();
          run.step(tokens.slice(i, i + BLOCK));
          (times[b] ??= []).push(performance.now() - begin);
          bytes[b] = run.cache.usedBytes;
        }
        run.dispose();
      }
      const medians = times.map((list) => list.sort((a, b) => a - b)[list.length >> 1]);
      const first = Math.ceil(BUDGET / BLOCK); // the first block that finds the cache full
      const quarter = (from: number) => medians.slice(from, from + 6).reduce((a, b) => a + b, 0) / 6;
      const [early, late] = [quarter(first), quarter(medians.length - 6)];
      const flat = new Set(bytes.slice(first)).size === 1;
      report({
        name: `block time, ${policy}`,
        rate: late,
        unit: 'ms',
        note: `last six full blocks over first six: ${(late / early).toFixed(2)}; cached bytes ${flat ? `flat at ${bytes[first]}` : `NOT flat: ${bytes.slice(first)}`}`,
      });
    }
    model.dispose();
  },
};
