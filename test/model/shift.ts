// Rows that are evicted in the middle of a text, kept ones at their places or at compact positions,
// against figures of an f64 pass: `node build/js/test/model/shift.js MODELS FIGURES`, folders of
// NAME.gguf and NAME.shift.json. The last line is the counts.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { Run } from '../../src/engine/run.ts';
import { definePolicy } from '../../src/policy/define.ts';
import { readJson } from '../fixtures.ts';
import { planOptions } from '../plan-options.ts';
import { logProbabilities } from './figures.ts';

type Top = [token: number, logProbability: number][];

/** What is told of a model. */
interface Figures {
  readonly model: string;
  readonly tokens: readonly number[];
  readonly evictAfter: number;
  readonly evicted: readonly number[];
  readonly original: readonly Top[];
  readonly compact: readonly Top[];
}

const MOST = 0.001;
const [models, folder] = process.argv.slice(2);
if (!models || !folder) {
  console.error('usage: node build/js/test/model/shift.js MODELS FIGURES');
  process.exit(2);
}

/** Keeps all rows but some. */
const allBut = (evicted: ReadonlySet<number>) =>
  definePolicy({
    name: 'all-but',
    summary: 'rows that are told',
    score: ({ out, cached }, ops) =>
      ops.rateTokens(out, cached, (token) => (evicted.has(token) ? 0 : 1)),
  });

let [passed, failed] = [0, 0];
for (const name of readdirSync(folder).filter((file) => file.endsWith('.shift.json'))) {
  const figures = readJson<Figures>(join(folder, name));
  const { tokens, evictAfter, evicted } = figures;
  using model = await loadModel(join(models, figures.model), {
    ...{ device: 'wasm', threads: 1, pipeline: 1, contextLength: 1024 },
  });
  for (const positions of ['original', 'compact'] as const) {
    const options = planOptions('keydiff', {
      ...{ blockSize: evictAfter, sinks: 0, rowType: 'f32', positions },
      budget: { tokens: evictAfter - evicted.length },
    });
    const policy = allBut(new Set(evicted));
    const run = new Run(model.executor, planRun(model.executor, { ...options, policy }));
    let most = 0;
    try {
      await run.step(tokens.slice(0, evictAfter));
      for (const [i, top] of figures[positions].entries()) {
        await run.append([tokens[evictAfter + i]]);
        const found = logProbabilities(await run.logits(0));
        for (const [token, expected] of top)
          most = Math.max(most, Math.abs(found[token] - expected));
      }
    } finally {
      run.dispose();
    }
    const isGood = most <= MOST;
    if (isGood) passed++;
    else failed++;
    console.log(
      `${isGood ? 'ok  ' : 'FAIL'} ${figures.model}, ${positions}: ${most.toExponential(1)}`,
    );
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
