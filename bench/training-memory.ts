// What a process grows by that trains an adapter of rank 8 for the 135M-parameter model in Q8_0, on
// lines of 255 tokens. A process of its own: what others left would be counted.
//
//   node build/js/bench/training-memory.js [MEMORY] [THREADS]
import { statSync } from 'node:fs';
import { loadModel } from '../src/engine/model.ts';
import { formatBytes } from '../src/math/format.ts';
import { prepareTraining } from '../src/train/train.ts';
import { randomModel } from './random-model.ts';

const [memory = '512MB', threads = '1'] = process.argv.slice(2);
const TOKENS = 255;
const lines = Array.from({ length: 8 }, (_, i) => ({
  text: Array.from({ length: TOKENS }, (__, j) =>
    String.fromCharCode(97 + ((j * 7 + i) % 26)),
  ).join(''),
}));

const path = randomModel();
const file = statSync(path).size;
const before = process.memoryUsage().rss;
using model = await loadModel(path, { threads: Number(threads) });
const rates: number[] = [];
const prepared = prepareTraining(model, lines, {
  steps: 3,
  batch: 2,
  heldOut: 0,
  memory,
  onProgress: ({ tokensPerSecond }) => rates.push(tokensPerSecond),
});
const { totalBytes, keptLayers, tokens } = prepared.plan;
await prepared.run();
const grown = process.resourceUsage().maxRSS * 1024 - before;
console.log(
  `file ${formatBytes(file)}, promise ${formatBytes(totalBytes)} (${tokens} tokens at a time, ` +
    `${keptLayers} layers kept): grew by ${formatBytes(grown)}, the promise and ` +
    `${((grown - totalBytes) / file).toFixed(2)} x the file; ` +
    `${Math.max(...rates).toFixed(0)} tokens/s`,
);
