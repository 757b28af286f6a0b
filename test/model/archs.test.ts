// Every architecture against an f64 pass of another program: tokens, and log-probabilities within
// 0.001 with rows of f32, whatever blocks the text is cut into; the same in workers.
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel } from '../../src/engine/model.ts';
import { fixture } from '../fixtures.ts';
import { rejects } from '../rejects.ts';
import { differenceOf, figuresOf } from './figures.ts';

const MOST = 0.001;
/** Tokens that are forwarded in blocks of another size, or in workers. */
const SOME = 64;

const test = suite('architectures, f64');
const names = readdirSync(fixture('archs'))
  .filter((name) => name.endsWith('.gguf'))
  .map((name) => name.replace('.gguf', ''));
test('there are figures of many', () => assert.ok(names.length > 15));
for (const name of names)
  test(name, async () => {
    const { text, tokens, top } = figuresOf(fixture(`archs/${name}.f64.json`));
    const file = fixture(`archs/${name}.gguf`);
    const common = { contextLength: 1024, device: 'wasm', threads: 1 } as const;
    using model = await loadModel(file, { ...common, pipeline: 1 });
    assert.equal(model.tokenizer.encode(text), tokens);
    const whole = await differenceOf(model, tokens, top, 64);
    assert.ok(whole.most < MOST, `${whole.most} in blocks of 64`);
    const some = tokens.slice(0, SOME);
    for (const block of [1, 11]) {
      const { most } = await differenceOf(model, some, top, block);
      assert.ok(most < MOST, `${most} in blocks of ${block}`);
    }
    if (name === 'gemma3n' || name === 'gemma4') {
      // (their layers share rows, and have inputs of their own)
      const inWorkers = loadModel(file, { ...common, pipeline: 2 });
      await rejects(inWorkers, 'OptionError', /^pipeline is 2, but /);
      return;
    }
    using split = await loadModel(file, { ...common, pipeline: 2 });
    const { most } = await differenceOf(split, some, top, 16);
    assert.ok(most < MOST, `${most} in workers`);
  });
test.run();
