// What changes no bit of a training: threads, and layers that are computed a second time.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { prepareTraining } from '../../src/train/train.ts';
import { bundled } from '../fixtures.ts';

const test = suite('train/same-bits');

const lines = Array.from({ length: 9 }, (_, i) => ({
  text: `Mia: Ravi has ${i} dogs and ${(i * 5) % 7} cats.\nRavi: Mia has ${i + 2} birds. `.repeat(
    4,
  ),
}));

/** Losses and adapter of a few steps, and how it was planned. */
async function trained(threads: number, options: TrainOptions = {}) {
  using model = await loadModel(bundled('recollect-tiny.gguf'), { threads });
  const given = { steps: 3, batch: 3, heldOut: 0.2, rank: 4, ...options };
  const prepared = prepareTraining(model, lines, given);
  const { result, adapter } = await prepared.run();
  return { plan: prepared.plan, losses: result.losses, heldOut: result.heldOut, adapter };
}

test('threads change no bit', async () => {
  const [one, two, three] = [await trained(1), await trained(2), await trained(3)];
  for (const other of [two, three]) {
    assert.equal(other.losses, one.losses);
    assert.equal(other.heldOut, one.heldOut);
    assert.equal(other.adapter, one.adapter);
  }
});

test('layers that are computed a second time change no bit', async () => {
  const roomy = await trained(1, { batch: 1 });
  const least = roomy.plan.totalBytes;
  const tight = await trained(1, { batch: 1, memory: Math.floor(0.8 * least) });
  assert.ok(tight.plan.keptLayers < roomy.plan.keptLayers, `${tight.plan.keptLayers} kept`);
  assert.is(tight.plan.tokens, roomy.plan.tokens);
  assert.equal(tight.losses, roomy.losses);
  assert.equal(tight.adapter, roomy.adapter);
});

test.run();
