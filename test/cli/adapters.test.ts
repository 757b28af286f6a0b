// Adapters on the command line: --adapter, and the command that merges them.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel } from '../../src/engine/model.ts';
import { fixture } from '../fixtures.ts';
import { run } from './program.ts';

const test = suite<{ folder: string }>('adapters on the command line');
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'merge-'));
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

const llama = fixture('llama-f32.gguf');
const r4 = fixture('adapters/llama-f32-r4.gguf');
const r8 = fixture('adapters/llama-f32-r8.gguf');
const recollect = (...args: string[]) => run(args);

test('--adapter, several times, each with a scale', async () => {
  const given = ['--adapter', `${r4}:0.5`, '--adapter', `${r8}:-.75`, '--threads', '1'];
  const { code, out } = await recollect('logits', llama, '--text', 'hello', '--top', '3', ...given);
  assert.is(code, 0);
  const adapters = [{ source: r4, scale: 0.5 }, `${r8}:-0.75`];
  using model = await loadModel(llama, { adapters, threads: 1 });
  assert.equal(JSON.parse(out), JSON.parse(JSON.stringify(await textLogits(model, 'hello', 3))));
});

test('a chat says which it has', async () => {
  const given = ['--adapter', `${r4}:0.5`, '--adapter', r8, '--max-tokens', '1', '--budget', '40'];
  const { code, err, out } = await run(['chat', llama, ...given], { input: 'hello\n' });
  assert.is(code, 0, err);
  const said = `${err}${out}`.replace(/\s+/g, '');
  assert.ok(said.includes(`with${r4}x0.5and${r8}`.replace(/\s+/g, '')), said);
});

test('what is wrong with them is told before anything is loaded', async () => {
  const nowhere = 'nowhere.gguf';
  for (const [args, pattern] of [
    [['logits', nowhere, '--text', 'x', '--adapter', 'a:NaN'], /--adapter\[0\] has scale NaN/],
    [['logits', nowhere, '--text', 'x', '--adapter', 'a', '--adapter', 'a:2'], /'a' twice/],
    [['merge', nowhere, '--out', 'x'], /--adapter F\[:SCALE\] is missing/],
    [['merge', nowhere, '--adapter', 'a'], /--out FILE is missing/],
  ] as const) {
    const { code, err } = await recollect(...args);
    assert.is(code, 2, err);
    assert.match(err, pattern);
  }
});

test('merge writes a model that needs no adapter', async ({ folder }) => {
  const out = join(folder, 'merged.gguf');
  const { code, out: said, err } = await recollect('merge', llama, '--adapter', r4, '--out', out);
  assert.is(code, 0, err);
  assert.match(said, /^21 matrices, F32: .*\n526\.2 KB written to .*merged\.gguf\n$/);
  using merged = await loadModel(out, { threads: 1 });
  using beside = await loadModel(llama, { adapters: [r4], threads: 1 });
  const [a, b] = [await textLogits(merged, 'hello', 1), await textLogits(beside, 'hello', 1)];
  assert.is(a.top[0][0][0], b.top[0][0][0]);
  assert.ok(Math.abs(a.top[0][0][1] - b.top[0][0][1]) < 1e-4);
});

test('merge leaves nothing behind where it fails, and does not write over what it reads', async ({
  folder,
}) => {
  const before = readdirSync(folder);
  const other = fixture('adapters/qwen3-f32-r4-qv-f16.gguf');
  const failed = await recollect('merge', llama, '--adapter', other, '--out', join(folder, 'x'));
  assert.is(failed.code, 1);
  assert.match(failed.err, /architecture 'qwen3'/);
  assert.equal(readdirSync(folder), before);
  const over = await recollect('merge', llama, '--adapter', r4, '--out', llama);
  assert.match(over.err, /is what is read/);
});

test('merge says what rounding lost', async ({ folder }) => {
  const out = join(folder, 'q8.gguf');
  const q8 = fixture('llama-q8_0.gguf');
  const adapter = `${fixture('adapters/llama-q8_0-r4.gguf')}:0.01`;
  const same = await recollect('merge', q8, '--adapter', adapter, '--out', out);
  assert.match(same.out, /14 matrices, Q8_0: rounding changed what was added by (0\.[5-9]|1)/);
  assert.match(same.err, /--type f16 keeps it/);
  const f16 = await recollect('merge', q8, '--adapter', adapter, '--out', out, '--type', 'f16');
  assert.match(f16.out, /14 matrices, Q8_0 -> F16: rounding changed what was added by 0\.[01]/);
  assert.is(f16.err, '');
});
test.run();
