// A model's log-odds do not depend on how many tokens are forwarded together, bit for bit, for
// every weight type that there is a fixture of.
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { loadModel } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { Run } from '../../src/engine/run.ts';
import { fixture } from '../fixtures.ts';
import { planOptions } from '../plan-options.ts';

const test = suite('log-odds that do not depend on the batch');
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);
const T = 70; // more rows than a tile of cached rows has
const cuts = [[T], new Array<number>(T).fill(1), [5, 64, 1], [33, 1, 2, 3, 31]];

for (const name of readdirSync(fixture('')).filter((file) => file.endsWith('.gguf'))) {
  test(name, async () => {
    for (const build of builds) {
      using model = await loadModel(fixture(name), { build, threads: 1 });
      const tokens = Array.from({ length: T }, (_, i) => (i * 7919) % model.config.vocabulary);
      for (const rowType of ['f16', 'int8'] as const) {
        const options = planOptions('full', { budget: { tokens: 128 }, blockSize: T, rowType });
        let first: Float32Array | undefined;
        for (const cut of cuts) {
          const run = new Run(model.executor, planRun(model.executor, options));
          let t = 0;
          for (const n of cut) await run.append(tokens.slice(t, (t += n)));
          const found = await run.logits(cut.at(-1)! - 1);
          run.dispose();
          first ??= found;
          assert.equal(found, first, `${build}, ${rowType} rows, cut as ${cut}`);
        }
      }
    }
  });
}
test.run();
