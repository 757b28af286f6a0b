// What was made with adapters is not taken for what was made with others, or with none: saved
// states, and profiles.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LoadOptions, loadModel, type Model } from '../../../src/engine/model.ts';
import { planRun } from '../../../src/engine/plan.ts';
import { Run } from '../../../src/engine/run.ts';
import { profileOf, readProfile } from '../../../src/session/profile.ts';
import { fixture } from '../../fixtures.ts';
import { planOptions } from '../../plan-options.ts';
import { rejects } from '../../rejects.ts';
import { bytesFrom, stored, tag } from '../../stored-bytes.ts';
import { adapterFile } from './adapter-fixtures.ts';

const test = suite('whose adapters');
const llama = fixture('llama-f32.gguf');
const r4 = adapterFile('llama-f32-r4.gguf');
const r8 = adapterFile('llama-f32-r8.gguf');
const tokens = Array.from({ length: 40 }, (_, i) => (i * 7919) % 400);

const open = (model: Model) =>
  new Run(
    model.executor,
    planRun(model.executor, planOptions('keydiff', { budget: { tokens: 24 }, blockSize: 16 })),
  );

/** A state under some adapters, and what comes next in it. */
async function saved(options: LoadOptions) {
  using model = await loadModel(llama, options);
  const run = open(model);
  for (let t = 0; t < tokens.length; t += 16) await run.step(tokens.slice(t, t + 16));
  const bytes = await bytesFrom((out) => run.save(tag, out));
  await run.append([5]);
  const next = await run.logits(0);
  run.dispose();
  return { bytes, next };
}

async function next(options: LoadOptions, bytes: Uint8Array<ArrayBuffer>) {
  using model = await loadModel(llama, options);
  const run = open(model);
  try {
    await run.restore(stored(bytes), tokens);
    await run.append([5]);
    return await run.logits(0);
  } finally {
    run.dispose();
  }
}

for (const [place, how] of [
  ['here', { threads: 1, pipeline: 1 }],
  ['in workers', { pipeline: 2 }],
] as const)
  test(`a state goes on under the same adapters, and under no others: layers ${place}`, async () => {
    const adapters = [`${r4}:0.5`, r8];
    const state = await saved({ ...how, adapters });
    assert.equal(await next({ ...how, adapters }, state.bytes), state.next);
    for (const others of [[], [r8], [r8, `${r4}:0.5`], [r4, r8], [`${r4}:0.5`, `${r8}:0`]])
      await rejects(
        next({ ...how, adapters: others }, state.bytes),
        'StoreError',
        /snapshot of something else/,
      );
    const plain = await saved({ ...how, adapters: [`${r4}:0`] });
    assert.equal(await next(how, plain.bytes), plain.next, 'scale 0 is none');
  });

test('a profile is that of the model with its adapters', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adapters-'));
  try {
    const file = join(folder, 'model.gguf');
    copyFileSync(llama, file);
    const text = 'the quick brown fox jumps over the lazy dog. '.repeat(12);
    const with4 = { threads: 1, adapters: [r4] };
    using model = await loadModel(file, with4);
    const { stored: kept } = await profileOf(model, text);
    assert.is(kept, `${file}.profile.json`);
    assert.ok(await readProfile(model));
    for (const adapters of [[], [`${r4}:2`]]) {
      using other = await loadModel(file, { threads: 1, adapters });
      assert.is(await readProfile(other), undefined);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
test.run();
