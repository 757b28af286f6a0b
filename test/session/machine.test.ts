// The machine of random steps (test/machine.ts), for as long as a test may take.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runMachine } from '../machine.ts';

const test = suite('machine');

test('20,000 engine steps of random conversations tell the same side by side and alone, and leave nothing', async () => {
  const { steps, conversations } = await runMachine(20_000, 1);
  assert.ok(steps >= 20_000 && conversations > 500);
});

test.run();
