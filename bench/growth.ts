// Conversations of 4k to 128k tokens at a fixed budget: time per block, cached bytes and process
// memory stay flat; with a full cache they do not.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readDialogues } from '../src/eval/datasets/registry.ts';
import { planRun } from '../src/engine/plan.ts';
import { Run } from '../src/engine/run.ts';
import { loadModel } from '../src/engine/model.ts';
import { planOptions } from '../test/plan-options.ts';
import type { BenchGroup } from './case.ts';

const BUDGET = 512;
const BLOCK = 256;
const LONGEST = 128 * 1024;
/** A full cache is left to grow so far: time per block grows with it. */
const LONGEST_FULL = 32 * 1024;
const SHORTEST = 4 * 1024;

export const growth: BenchGroup = {
  name: 'growth',
  summary:
    `conversations of 4k to 128k tokens, ${BUDGET} rows a head, blocks of ${BLOCK}: ` +
    `median block of the last eighth; cached rows; process`,
  async run(report) {
    const root = new URL('../../../models/', import.meta.url);
    const model = await loadModel(fileURLToPath(new URL('recollect-tiny.gguf', root)), {
      threads: 1,
    });
    const text = readDialogues(
      readFileSync(new URL('conv-16k.jsonl', root), 'utf8'),
      'conv-16k.jsonl',
    ).flatMap((d) => d.turns.map((t) => t.line));
    const once = model.tokenizer.encode(text.join(''));
    const block = (b: number) =>
      Array.from({ length: BLOCK }, (__, i) => once[(b * BLOCK + i) % once.length]);
    for (const policy of ['keydiff', 'snapkv', 'full']) {
      const longest = policy === 'full' ? LONGEST_FULL : LONGEST;
      const plan = planRun(
        model.executor,
        planOptions(policy, {
          budget: { tokens: policy === 'full' ? longest : BUDGET },
          blockSize: BLOCK,
        }),
      );
      const run = new Run(model.executor, plan);
      const times: number[] = [];
      for (let b = 0, length = SHORTEST; b < longest / BLOCK; b++) {
        const tokens = block(b);
        const begin = performance.now();
        await run.step(tokens);
        times.push(performance.now() - begin);
        if ((b + 1) * BLOCK < length) continue;
        const last = times.slice(-Math.ceil(times.length / 8)).sort((x, y) => x - y);
        report({
          name: `${policy}, ${length / 1024}k tokens`,
          rate: last[last.length >> 1],
          unit: 'ms',
          at: { series: policy, x: length },
          note:
            `${(run.layers.cacheBytes / 2 ** 20).toFixed(2)} MiB cached, process ` +
            `${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
        });
        length *= 2;
      }
      run.dispose();
    }
    model.dispose();
  },
};
