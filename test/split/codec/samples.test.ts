// What is kept of samples, and which are forgotten.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SampleStates } from '../../../src/split/codec/samples.ts';

const test = suite('split, samples');

const D = 3;
const SAMPLE_BYTES = 2 * D * 4 + 128;
const sample = (id: number, count = 2) => ({ id, count });
const rows = (value: number, count = 2) => new Float32Array(count * D).fill(value);

test('those not seen for longest are forgotten, one too large is not kept', () => {
  const states = new SampleStates(D, 3 * SAMPLE_BYTES);
  const known = () => [1, 2, 3, 4, 5].filter((id) => states.rowsOf(sample(id)));
  for (const id of [1, 2, 3]) states.put([sample(id)], rows(id), 7);
  assert.equal(known(), [1, 2, 3]);
  states.put([sample(1)], rows(10), 7);
  states.put([sample(4)], rows(4), 7);
  assert.equal(known(), [1, 3, 4]);
  assert.is(states.bytes, 3 * SAMPLE_BYTES);
  states.put([sample(5, 100)], rows(5, 100), 7);
  assert.equal(known(), [1, 3, 4]);
  states.put([sample(3, 100)], rows(3, 100), 7);
  assert.equal(known(), [1, 4]);
  assert.is(states.bytes, 2 * SAMPLE_BYTES);
});

test('a batch is known where its samples are, with as many tokens', () => {
  const states = new SampleStates(D, 1000);
  states.put([sample(1), sample(2, 1)], Float32Array.of(...rows(1), ...rows(2, 1)), 7);
  const { base, isKnown, isAll } = states.known([sample(2, 1), sample(3, 1), sample(1)]);
  assert.equal(base, Float32Array.of(...rows(2, 1), ...rows(0, 1), ...rows(1)));
  assert.equal(isKnown, [true, false, true, true]);
  assert.is(isAll, false);
  assert.is(states.rowsOf(sample(1, 3)), undefined);
  const before = states.digest([sample(1)]);
  assert.is(states.digest([sample(7)]), 0);
  assert.is.not(before, states.digest([sample(2, 1)]));
  states.put([sample(1)], rows(1), 8);
  assert.is.not(before, states.digest([sample(1)]));
});

test.run();
