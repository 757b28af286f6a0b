// The commands behind docs/split-accuracy.md in a small form: they measure what they say.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withTables } from '../../bench/split/pages.ts';
import { activationsAt } from '../../bench/split/activations.ts';
import { largestDifference } from '../../bench/split/channels.ts';
import { compare, type Comparison, entries, type Trial } from '../../bench/split/comparison.ts';
import { channelRanges } from '../../bench/split/ranges.ts';
import { courses } from '../../bench/split/task-lines.ts';
import { tablesOf } from '../../bench/split/tasks-table.ts';
import { CUT, someExamples, tiny, turnedTiny } from '../../bench/split/turned-tiny.ts';
import { root } from '../house/sources.ts';

const test = suite('split/tasks');

test('a turned model computes the same, with outlier channels', async () => {
  const examples = (await someExamples(1)).slice(0, 8);
  const turned = await turnedTiny(1);
  const { difference, size } = await largestDifference(tiny, turned, examples);
  assert.ok(size > 5 && difference < 0.02, `${difference} of ${size}`);
  const [before, after] = [
    await activationsAt(tiny, CUT, examples),
    await activationsAt(turned, CUT, examples),
  ].map(({ x, width }) => channelRanges(x, width));
  assert.ok(after.ratio > 2 * before.ratio, `${before.ratio}, then ${after.ratio}`);
  assert.ok(after.kurtosis > before.kurtosis + 2);
});

test('codecs are compared in pairs', async () => {
  const { 'new facts': facts } = courses;
  const wanted: Comparison = {
    part: 'codecs',
    courses: { 'new facts': { ...facts, lines: 24, heldOut: 6, epochs: 3 } },
    models: ['bundled'],
    entries: entries.filter(({ name }) => ['tensor', 'amaq'].includes(name)),
    bits: [2],
    seeds: [1],
  };
  const trials: Trial[] = [];
  await compare(wanted, [], (trial) => trials.push(trial));
  const [none, tensor, amaq] = trials;
  assert.equal(
    trials.map(({ codec }) => codec),
    ['none', 'tensor', 'amaq'],
  );
  assert.equal(none.whole.right, none.split.right, 'in f32 the cut changes nothing');
  const gap = Math.abs(none.whole.losses[0] - none.split.losses[0]);
  assert.ok(gap < 1e-3, `the adapter's file holds what was learned: ${gap}`);
  assert.ok(none.lastLoss < tensor.lastLoss, '2 bits cost something');
  assert.ok(tensor.plainBytes[0] / tensor.bytes[0] > 10 && none.plainBytes[0] < none.bytes[0]);
  assert.is(
    amaq.channelBits.reduce((sum, b) => sum + b, 0),
    2 * amaq.channelBits.length,
  );
  const known: Trial[] = [];
  await compare(wanted, trials, (trial) => known.push(trial));
  assert.equal(known, [], 'what is known is not made again');
  const page = withTables(readFileSync(`${root}docs/split-accuracy.md`, 'utf8'), tablesOf(trials));
  assert.match(page, '| tensor | 2 |');
});

test.run();
