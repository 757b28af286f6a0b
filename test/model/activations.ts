// What rounding activations costs: how far log-probabilities are from those of an f64 pass, with
// activations of 8 and of 16 bits, and in llama.cpp, which rounds to 8.
// `node build/js/test/model/activations.js FOLDER`: models NAME.gguf, llama.cpp's figures NAME.json,
// those in f64 NAME.f64.json; rows of f32 here, of f16 there.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel } from '../../src/engine/model.ts';
import { differenceOf, figuresOf } from './figures.ts';

const [folder] = process.argv.slice(2);
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.gguf'))
  .map((name) => name.slice(0, -5));

/** Of tokens that both list. */
function between(a: ReturnType<typeof figuresOf>['top'], b: typeof a): number {
  let [sum, count] = [0, 0];
  a.forEach((top, i) => {
    const others = new Map(b[i]);
    for (const [token, value] of top) {
      const other = others.get(token);
      if (other === undefined) continue;
      sum += Math.abs(value - other);
      count++;
    }
  });
  return sum / count;
}

const sums = [0, 0, 0];
let count = 0;
const row = (name: string, numbers: readonly number[]) =>
  console.log(name.padEnd(20), ...numbers.map((n) => n.toFixed(5).padStart(10)));
console.log('mean difference'.padEnd(20), '      int8      int16  llama.cpp');
for (const name of names) {
  const [theirs, exact] = [`${name}.json`, `${name}.f64.json`].map((file) => join(folder, file));
  if (!existsSync(theirs) || !existsSync(exact)) continue;
  const { tokens, top } = figuresOf(exact);
  const means: number[] = [];
  try {
    for (const activations of ['int8', 'int16'] as const) {
      const options = { device: 'wasm', threads: 1, pipeline: 1, contextLength: 1024 } as const;
      using model = await loadModel(join(folder, `${name}.gguf`), { ...options, activations });
      means.push((await differenceOf(model, tokens, top, 64)).mean);
    }
  } catch (error) {
    console.log(name.padEnd(20), (error as Error).message.slice(0, 80));
    continue;
  }
  means.push(between(figuresOf(theirs).top, top));
  // files of floats are the same in both
  if (means[0] === means[1]) continue;
  row(name, means);
  means.forEach((mean, i) => {
    sums[i] += mean;
  });
  count++;
}
row(
  'on average',
  sums.map((sum) => sum / count),
);
