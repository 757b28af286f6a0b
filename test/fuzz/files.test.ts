// Three thousand mutated model files; `npm run fuzz -- --files 100000` tries more of them.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkBases, fuzz } from './files.ts';

const test = suite('mutated files');
test('what is mutated loads before', checkBases);
test('3,000 of them give our errors or answers', async () => {
  const { findings, loaded, errors } = await fuzz(1, 0, 3000);
  assert.equal(findings, []);
  // else the mutations are too coarse to show anything
  assert.ok(loaded > 300, `${loaded} loaded`);
  assert.ok(errors.ModelFormatError > 300 && errors.UnsupportedError > 100, JSON.stringify(errors));
});
test.run();
