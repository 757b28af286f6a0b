// The command that trains: what it says, and what it does not write over.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fixture } from '../fixtures.ts';
import { main, run, start } from './program.ts';

const test = suite<{ folder: string; data: string; model: string }>('cli/training');
test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'train-'));
  context.data = join(context.folder, 'lines.jsonl');
  writeFileSync(context.data, '{"text": "the cat sat on the mat"}\n');
  context.model = join(context.folder, 'model.gguf');
  copyFileSync(fixture('llama-f32.gguf'), context.model);
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

const r4 = fixture('adapters/llama-f32-r4.gguf');
const train = (model: string, data: string, ...more: string[]) =>
  run(['train', model, '--data', data, '--threads', '1', '--steps', '1', ...more]);

test('what is read is not written over, nor anything twice', async ({ folder, data, model }) => {
  const adapter = join(folder, 'adapter.gguf');
  const out = join(folder, 'out.gguf');
  copyFileSync(r4, adapter);
  for (const [more, pattern] of [
    [['--out', model], /--out '.*model\.gguf' is what is read: choose another name/],
    [['--out', model, '--method', 'full'], /is what is read/],
    [['--out', adapter, '--adapter', adapter], /is what is read/],
    [['--out', out, '--html', data], /--html '.*lines\.jsonl' is what is read/],
    [['--out', out, '--checkpoint', model], /--checkpoint '.*' is what is read/],
    [['--out', out, '--json', out], /--json '.*' is written by --out too/],
    [['--out', out, '--checkpoint', folder], /it is a folder/],
  ] as const) {
    const { code, err } = await train(model, data, ...more);
    assert.is(code, 1, err);
    assert.match(err, pattern);
  }
  assert.equal(readFileSync(model), readFileSync(fixture('llama-f32.gguf')));
  assert.equal(readFileSync(adapter), readFileSync(r4));
});

test("another adapter's configuration is not written over", async ({ folder, data, model }) => {
  const peft = join(folder, 'peft');
  mkdirSync(peft);
  const [one, two] = [join(peft, 'one.safetensors'), join(peft, 'two.safetensors')];
  for (const _ of ['made', 'made again'])
    assert.is((await train(model, data, '--out', one)).code, 0);
  const config = readFileSync(join(peft, 'adapter_config.json'), 'utf8');
  const { code, err } = await train(model, data, '--out', two, '--rank', '2');
  assert.is(code, 1);
  assert.match(err, /adapter_config\.json' is another adapter's, .* choose a folder of its own/);
  assert.is(readFileSync(join(peft, 'adapter_config.json'), 'utf8'), config);
});

test('what would say nothing is refused', async ({ folder, data, model }) => {
  const out = join(folder, 'nothing.gguf');
  for (const [more, pattern] of [
    [['--type', 'q8_0'], /--type q8_0 is for --method full/],
    [['--pipeline', '2'], /--pipeline is 2: training needs all layers in one memory/],
  ] as const)
    assert.match((await train(model, data, '--out', out, ...more)).err, pattern);
});

test('the next step has the adapters below, and lines fit', async ({ folder, data, model }) => {
  const out = join(folder, 'top.gguf');
  const { code, err, out: said } = await train(model, data, '--out', out, '--adapter', `${r4}:0.5`);
  assert.is(code, 0, err);
  assert.match(err, /chat .*model\.gguf --adapter .*r4\.gguf:0\.5 --adapter .*top\.gguf\n/);
  assert.match(err, /^1 step on 1 line \(0 held out\)/);
  for (const line of `${err}${said}`.split('\n'))
    assert.ok(line.length <= 80 || line.includes(folder), line);
});
test('Ctrl-C tells what is left, and the same command goes on', async ({ folder, data, model }) => {
  const checkpoint = join(folder, 'long.state');
  const more = ['--out', join(folder, 'long.gguf'), '--rank', '2', '--steps', '300'];
  for (const [kept, pattern] of [
    [[], /\d+ steps? done, and lost: --checkpoint FILE keeps them/],
    [['--checkpoint', checkpoint], /long\.state has \d+ steps?: the same command goes on/],
    [['--checkpoint', checkpoint], /goes on from step \d+, as .*long\.state has the ones before/],
  ] as const) {
    const args = [main, 'train', model, '--data', data, '--threads', '1', ...more, ...kept];
    const program = start(args, { columns: 300 });
    await program.until(/step \d+ of 300/);
    program.signal('SIGINT');
    const { code, out, err } = await program.ended;
    assert.is(code, 130, `${out}${err}`);
    assert.match(`${out}${err}`, pattern);
  }
});
test.run();
