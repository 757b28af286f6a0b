// What a policy costs beside the forward pass that it rates: a block's step with it over one that
// only evicts the oldest rows, in a full cache of a model of the 135M shape (four of its layers:
// they cost alike). A patched prompt is forwarded itself; that is taken off.
import { planRun } from '../src/engine/plan.ts';
import { Run } from '../src/engine/run.ts';
import { loadModel } from '../src/engine/model.ts';
import { findPolicy, policies as all } from '../src/policy/registry.ts';
import { planOptions } from '../test/plan-options.ts';
import type { BenchGroup } from './case.ts';
import { randomModel, SHAPE } from './random-model.ts';

const LAYERS = 4;
const BUDGET = 1024;
const BLOCK = 256;
const ROUNDS = 7;
/** Evicts without rating anything: its step is the forward pass and the compaction. */
const NEUTRAL = 'streaming-llm';

export const policies: BenchGroup = {
  name: 'policies',
  summary: `what rating ${BUDGET + BLOCK} rows costs beside the forward pass of a block of ${BLOCK}`,
  async run(report) {
    const model = await loadModel(randomModel(LAYERS), { threads: 1 });
    const block = (seed: number) =>
      Array.from({ length: BLOCK }, (__, i) => (i * 7919 + seed * 104729) % SHAPE.vocabulary);
    const names = all.filter((p) => p.evicts && p.name !== NEUTRAL).map((p) => p.name);
    const runs = [];
    for (const name of [NEUTRAL, ...names]) {
      const { heads, layers } = findPolicy(name);
      const plan = planRun(
        model.executor,
        planOptions(name, { budget: { tokens: BUDGET }, blockSize: BLOCK, heads, layers }),
      );
      const run = new Run(model.executor, plan);
      for (let b = 0; b <= BUDGET / BLOCK; b++) await run.step(block(b));
      runs.push({ name, run, times: [] as number[] });
    }
    // side by side, so that all meet the same moments of the machine
    for (let round = 0; round < ROUNDS; round++) {
      for (const { run, times } of runs) {
        const begin = performance.now();
        await run.step(block(100 + round));
        times.push(performance.now() - begin);
      }
    }
    const median = (list: number[]) => [...list].sort((a, b) => a - b)[list.length >> 1];
    const [neutral, ...rated] = runs;
    for (const { name, times } of rated) {
      const patched = findPolicy(name).observe.queries === 'patched';
      // a prompt as long as the block costs as much to forward again
      const passes = patched ? 2 : 1;
      const share = median(times.map((t, i) => t / neutral.times[i])) / passes - 1;
      report({
        name,
        rate: 100 * share,
        unit: '%',
        note: patched
          ? "over the block's and its prompt's forward passes"
          : "over the block's forward pass",
      });
    }
    for (const { run } of runs) run.dispose();
    model.dispose();
  },
};
