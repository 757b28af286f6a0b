// A thousand mutated adapters, half of them GGUF, half PEFT's.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzzAdapters } from './adapters.ts';

const test = suite('mutated adapters');
test('1,000 of them give our errors, or load', async () => {
  const { findings, loaded, errors } = await fuzzAdapters(1, 1000);
  assert.equal(findings, []);
  // else the mutations are too coarse to show anything
  assert.ok(loaded > 100, `${loaded} loaded`);
  const { ModelFormatError: damaged, UnsupportedError: unsupported, OptionError: others } = errors;
  assert.ok(damaged > 100 && unsupported > 30 && others > 5, JSON.stringify(errors));
});
test.run();
