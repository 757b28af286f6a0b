// Trainings that are killed (kills.ts has the command that kills more often).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { killTraining } from './kills.ts';

const test = suite('train/killed');

test('a killed training goes on, and ends with the same bits', async () => {
  assert.ok((await killTraining(5, 5)) >= 3);
});

test.run();
