// Six hundred mutated adapters, half of them GGUF, half PEFT's.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzzAdapters } from './adapters.ts';

const test = suite('mutated adapters');
test('600 of them give our errors, or load', async () => {
  const { findings, loaded, errors } = await fuzzAdapters(1, 600);
  assert.equal(findings, []);
  // else the mutations are too coarse to show anything
  assert.ok(loaded > 60, `${loaded} loaded`);
  const { ModelFormatError: damaged, UnsupportedError: unsupported, OptionError: others } = errors;
  assert.ok(damaged > 60 && unsupported > 20 && others > 2, JSON.stringify(errors));
});
test.run();
