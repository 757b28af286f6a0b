// How far channels reach at every cut of the bundled model, and of the one with outlier channels
// made from it; and that both are the same function (docs/split-accuracy.md).
//
//   node build/js/bench/split/channels.js [--docs]
import { loadModel } from '../../src/engine/model.ts';
import { LearningPass } from '../../src/model/learning.ts';
import { createLearningRoom } from '../../src/model/learning-room.ts';
import type { ModelInput } from '../../src/model/source.ts';
import { applyLinear } from '../../src/model/linear.ts';
import { type Example, packed } from '../../src/train/batches.ts';
import { networkOf } from '../../src/train/setup.ts';
import { shapeOf } from '../../src/split/half.ts';
import { activationsAt } from './activations.ts';
import { writeTables } from './pages.ts';
import { channelRanges } from './ranges.ts';
import { plainTiny, someExamples, tiny, turnedTiny } from './turned-tiny.ts';

const TOKENS = 512;

/** Log-odds [targets, V] of examples. */
async function logOddsOf(input: ModelInput, examples: readonly Example[]): Promise<Float32Array> {
  using model = await loadModel(input, { threads: 1, pipeline: 1 });
  const network = networkOf(model);
  const { config, weights, backend } = network;
  const room = createLearningRoom(config, weights, backend, shapeOf(network, TOKENS, 0, true));
  const pass = new LearningPass(network, room, () => undefined);
  const [batch] = packed(examples, TOKENS);
  pass.forward(batch.tokens, batch.sequences);
  const { length } = await pass.losses([...batch.targets]);
  const { logits, normed, tokens } = room.head;
  if (length > tokens) throw new RangeError(`${length} targets, at most ${tokens} at once`);
  applyLinear({ backend, T: length }, [[logits, { weight: weights.output! }]], normed);
  const odds = (await backend.readFloats(logits.address, length * config.vocabulary)).slice();
  room.dispose();
  return odds;
}

/** The largest difference of two models' log-odds, and the largest of the first's by size. */
export async function largestDifference(a: ModelInput, b: ModelInput, of: readonly Example[]) {
  const [first, second] = [await logOddsOf(a, of), await logOddsOf(b, of)];
  const most = (numbers: Float32Array) => numbers.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return { difference: most(first.map((v, i) => v - second[i])), size: most(first) };
}

export async function channelTable(talks = 2): Promise<string> {
  const examples = await someExamples(talks);
  const turned = await turnedTiny(talks);
  const rows: string[] = [];
  for (const cut of [0, 1, 2, 3]) {
    const cells: string[] = [];
    for (const input of [tiny, turned]) {
      const { x, width } = await activationsAt(input, cut, examples);
      const { ratio, kurtosis } = channelRanges(x, width);
      cells.push(ratio.toFixed(1), kurtosis.toFixed(1));
    }
    rows.push(`| ${cut} | ${cells.join(' | ')} |`);
  }
  const stored = await largestDifference(tiny, turned, examples);
  const inF32 = await largestDifference(await plainTiny(), turned, examples);
  return [
    '| cut | bundled: largest / median range | kurtosis | turned: largest / median range | kurtosis |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    `Largest difference of log-odds, of up to ${stored.size.toFixed(0)}: ` +
      `${stored.difference.toExponential(1)} from the bundled model, whose kernels round on their ` +
      `own, ${inF32.difference.toExponential(1)} from the same weights as f32.`,
  ].join('\n');
}

if (process.argv[1]?.endsWith('channels.js')) {
  const table = await channelTable();
  console.log(table);
  if (process.argv.includes('--docs')) await writeTables('split-accuracy.md', { channels: table });
}
