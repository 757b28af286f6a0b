// Models of every architecture and weight type against figures of an f64 pass:
// `node build/js/test/model/archs.js [--device NAME] [FILE.gguf | FOLDER ...]`, by default all
// fixtures. A file has NAME.f64.json beside it. The last line is the counts.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadOptions } from '../../src/engine/load-options.ts';
import { loadModel } from '../../src/engine/model.ts';
import { fixture } from '../fixtures.ts';
import '../gpu.ts';
import { differenceOf, figuresOf } from './figures.ts';

/** Of log-probabilities, with rows of f32. */
const MOST = 0.001;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'wasm' },
    build: { type: 'string', default: 'auto' },
    threads: { type: 'string', default: '1' },
    block: { type: 'string', default: '64' },
  },
});
const files = (positionals.length > 0 ? positionals : [fixture('archs')]).flatMap((path) =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .filter((name) => name.endsWith('.gguf'))
        .map((name) => join(path, name))
    : [path],
);
let [passed, failed] = [0, 0];
for (const file of files) {
  const figures = file.replace(/\.gguf$/, '.f64.json');
  if (!existsSync(figures)) continue;
  const name = basename(file, '.gguf');
  try {
    const { text, tokens, top } = figuresOf(figures);
    using model = await loadModel(file, {
      device: values.device as LoadOptions['device'],
      build: values.build as LoadOptions['build'],
      threads: Number(values.threads),
      pipeline: 1,
      contextLength: 1024,
    });
    const own = model.tokenizer.encode(text);
    const areSame = own.length === tokens.length && own.every((id, i) => id === tokens[i]);
    const { most, mean } = await differenceOf(model, tokens, top, Number(values.block));
    const isGood = areSame && most <= MOST;
    if (isGood) passed++;
    else failed++;
    console.log(
      `${isGood ? 'ok  ' : 'FAIL'} ${name}: ${most.toExponential(1)} at most, ` +
        `${mean.toExponential(1)} on average${areSame ? '' : ', other tokens'}`,
    );
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${(error as Error).message.replace(/^.*\.gguf: /, '')}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
