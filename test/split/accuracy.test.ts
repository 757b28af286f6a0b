// What the tables of accuracies are made with: a model of outlier channels that computes the same,
// and trainings whose bytes and answers are counted.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { activationsAt } from '../../bench/split/activations.ts';
import { principalAxes } from '../../bench/split/axes.ts';
import { channelRanges } from '../../bench/split/ranges.ts';
import { loadHalves, runTrial, type Task } from '../../bench/split/trial.ts';
import { turnedModel } from '../../bench/split/turned-model.ts';
import { frameBytes } from '../../src/split/codec/frame.ts';
import { readExamples } from '../../src/train/data.ts';
import { bundled, tinyModel } from '../fixtures.ts';
import { facts, lineOf } from '../train/recipes.ts';

const test = suite('split/accuracy');
const PATH = bundled('recollect-tiny.gguf');
const CUT = 2;

async function taskOf(epochs: number): Promise<Task> {
  const model = await tinyModel();
  const { name, lines, heldOut } = facts();
  const read = (some: readonly unknown[]) =>
    readExamples(model, some, { loss: 'auto', length: 64, file: name });
  const learned = read(lines.slice(0, 8));
  return { name, learned, heldOut: read(heldOut.slice(0, 4).map(lineOf)), epochs, rate: 0.004 };
}

test('principal axes are orthogonal, and what varies most comes first', () => {
  const D = 3;
  const x = Float32Array.from({ length: 300 * D }, (_, i) => {
    const t = Math.floor(i / D);
    return [5 * Math.sin(t), 5 * Math.sin(t) + Math.cos(3 * t), 0.1 * Math.sin(7 * t)][i % D];
  });
  const axes = principalAxes(x, D);
  for (let a = 0; a < D; a++)
    for (let b = 0; b < D; b++) {
      let dot = 0;
      for (let c = 0; c < D; c++) dot += axes[a * D + c] * axes[b * D + c];
      assert.ok(Math.abs(dot - (a === b ? 1 : 0)) < 1e-12);
    }
  assert.ok(Math.abs(Math.abs(axes[0]) - Math.SQRT1_2) < 0.05, `${axes.subarray(0, 3)}`);
  assert.ok(Math.abs(axes[8]) > 0.99, `${axes.subarray(6)}`);
});

test('a turned model has outlier channels, and the losses of the model', async () => {
  const task = await taskOf(0);
  const { x, width } = await activationsAt(PATH, CUT, task.learned);
  const file = await turnedModel(PATH, principalAxes(x, width));
  const turned = await activationsAt(file, CUT, task.learned);
  const [before, after] = [channelRanges(x, width), channelRanges(turned.x, width)];
  assert.ok(before.ratio < 2 && after.ratio > 2 * before.ratio, `${before.ratio}, ${after.ratio}`);
  const [one, other] = [await loadHalves(PATH, CUT), await loadHalves(file, CUT)];
  const codec = { codec: 'none' } as const;
  const { heldOut } = await runTrial(one, task, codec, 1);
  const found = (await runTrial(other, task, codec, 1)).heldOut;
  assert.is(heldOut.length, task.heldOut.length);
  for (const [i, loss] of heldOut.entries())
    assert.ok(Math.abs(found[i] - loss) < 1e-3 * loss, `${found[i]}, expected ${loss}`);
  for (const { client, server } of [one, other]) {
    client.dispose();
    server.dispose();
  }
});

test('a training learns, and its bytes are those of the formula', async () => {
  const task = await taskOf(6);
  const halves = await loadHalves(PATH, CUT);
  const { losses, bytes, plainBytes, right } = await runTrial(
    halves,
    task,
    { codec: 'channel', bits: 4 },
    1,
  );
  assert.is(losses.length, 6);
  assert.ok(losses[5] < losses[0], losses.join());
  assert.is(right.length, task.heldOut.length);
  const width = halves.client.config.width;
  for (const [step, found] of bytes.entries()) {
    const tokens = plainBytes[step] / (2 * 4 * width);
    const frame = frameBytes({ tokens, width, ranges: width, bits: tokens * width * 4 });
    assert.is(found, 2 * frame);
  }
  halves.client.dispose();
  halves.server.dispose();
});

test.run();
