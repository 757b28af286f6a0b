// A model's log-odds do not depend on how many tokens are forwarded together, bit for bit, for
// every weight type that there is a fixture of.
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import { detectBuild } from '../../src/backend/wasm/builds.ts';
import { loadModel } from '../../src/engine/model.ts';
import { fixture } from '../fixtures.ts';
import { sameInAllCuts } from './cuts.ts';

const test = suite('log-odds that do not depend on the batch');
const builds = detectBuild() === 'relaxed' ? (['simd', 'relaxed'] as const) : (['simd'] as const);

for (const name of readdirSync(fixture('')).filter((file) => file.endsWith('.gguf'))) {
  test(name, async () => {
    for (const build of builds) {
      using model = await loadModel(fixture(name), { build, threads: 1 });
      for (const rowType of ['f16', 'int8'] as const)
        await sameInAllCuts(model, rowType, `${build}, ${rowType} rows`);
    }
  });
}
test.run();
