// A training as a page: what it says of lines held out, and that it can be drawn at any length.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { smoothed, trainingPage, type TrainingPage } from '../../src/eval/training-page.ts';

const test = suite('eval/training-page');

const pageOf = (losses: number[], heldOut?: [number, number][]) =>
  trainingPage({
    model: 'm.gguf',
    data: '<lines>.jsonl',
    command: 'recollect train',
    machine: 'a machine',
    lines: 7,
    seconds: 1.5,
    result: {
      steps: losses.length,
      losses,
      ...(heldOut && { heldOut: { lines: 3, losses: heldOut } }),
      plan: { totalBytes: 1 << 20, tokens: 64 } as TrainingPage['result']['plan'],
    },
  });

test('lines held out are judged', () => {
  const says = (heldOut?: [number, number][]) => pageOf([2, 1.5, 1], heldOut);
  assert.match(says(), /No lines were held out/);
  assert.match(
    says([
      [0, 2],
      [3, 1],
    ]),
    /became more likely: 2\.000 to 1\.000/,
  );
  assert.match(
    says([
      [0, 2],
      [1, 0.9],
      [3, 1],
    ]),
    /They were at 0\.900 before/,
  );
  assert.match(
    says([
      [0, 1],
      [3, 2],
    ]),
    /became less likely.*by heart/,
  );
});

test('any number of steps is drawn, names are escaped', () => {
  for (const losses of [
    [0.5],
    [0, 0],
    [3e-9, 2],
    Array.from({ length: 500 }, (_, i) => 5 / (i + 1)),
  ]) {
    const html = pageOf(losses, [
      [0, losses[0]],
      [losses.length, losses[0]],
    ]);
    assert.not.match(html, /NaN|Infinity|undefined|<lines>/);
    assert.is(html.includes('smoothed'), losses.length >= 80);
  }
});

test('a smoothed line keeps a constant, and its length', () => {
  assert.equal(smoothed(new Array(200).fill(3)), new Array(200).fill(3));
  assert.is(smoothed([1, 2, 3]).length, 3);
});

test.run();
