// A model that adapters were merged into gives what the model gives with them beside it, within what
// the stored type rounds; all else of its file stays as it was.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../../src/engine/logits.ts';
import { loadModel } from '../../../src/engine/model.ts';
import { type MergedMatrix, mergeAdapters } from '../../../src/model/adapter/merge.ts';
import type { AdapterOption } from '../../../src/model/adapter/option.ts';
import { joined } from '../../../src/math/joined.ts';
import type { MergeType } from '../../../src/model/rewrite.ts';
import { fixture } from '../../fixtures.ts';
import { nameOf, takeApart } from '../../fuzz/mutate.ts';
import { smallLlama, writeGguf } from '../../gguf-writer.ts';
import { differences } from '../../log-probabilities.ts';
import { rejects } from '../../rejects.ts';
import { adapterCases, adapterFile } from './adapter-fixtures.ts';

const test = suite('merged adapters');
async function merged(
  model: string | Uint8Array,
  adapters: readonly AdapterOption[],
  type: MergeType = 'same',
): Promise<{ file: Uint8Array<ArrayBuffer>; matrices: MergedMatrix[] }> {
  const pieces: Uint8Array[] = [];
  const write = async (bytes: Uint8Array) => void pieces.push(bytes.slice());
  const matrices = await mergeAdapters(model, { adapters, type, write });
  return { file: joined(pieces), matrices };
}
const r4 = [{ source: adapterFile('llama-f32-r4.gguf') }];
const TEXT = 'Hello world, how are you? the quick brown fox';

async function logOdds(input: string | Uint8Array, adapters: readonly AdapterOption[] = []) {
  using model = await loadModel(input, { adapters, threads: 1, activations: 'int16', pipeline: 1 });
  return await textLogits(model, TEXT, model.config.vocabulary);
}

for (const { name, model, options, top, text } of adapterCases.filter((c) => !/q8_0/.test(c.model)))
  test(`${name}: llama.cpp's figures, merged`, async () => {
    const { file, matrices } = await merged(model, options);
    assert.ok(
      matrices.length > 0 && matrices.every(({ from, to }) => from === 'f32' && to === from),
    );
    assert.ok(matrices.every(({ lost }) => lost < 1e-4));
    using found = await loadModel(file, { threads: 1, activations: 'int16', pipeline: 1 });
    const off = differences(await textLogits(found, text, found.config.vocabulary), { top });
    // an unmerged bf16 adapter is not rounded as llama.cpp rounds it either
    assert.ok(off.most <= 0.006 && off.mean <= 0.001, JSON.stringify(off));
  });

test('in types of fewer bits: what was lost is told, and is what is missing', async () => {
  const q8 = fixture('llama-q8_0.gguf');
  const adapters = [{ source: adapterFile('llama-q8_0-r4.gguf') }];
  const beside = await logOdds(q8, adapters);
  const [plain, same, f16] = [
    differences(await logOdds(q8), beside).mean,
    await merged(q8, adapters),
    await merged(q8, adapters, 'f16'),
  ];
  assert.ok(same.matrices.every(({ from, to }) => from === 'q8_0' && to === 'q8_0'));
  assert.ok(f16.matrices.every(({ to }) => to === 'f16'));
  const off = (file: Uint8Array) => logOdds(file).then((ours) => differences(ours, beside).mean);
  const [offSame, offHalf] = [await off(same.file), await off(f16.file)];
  assert.ok(offHalf < 0.01 * plain, `f16: ${offHalf} of ${plain}`);
  assert.ok(offSame < 0.2 * plain && offSame > offHalf, `q8_0: ${offSame} of ${plain}`);
  const most = (list: MergedMatrix[]) => Math.max(...list.map(({ lost }) => lost));
  assert.ok(most(f16.matrices) < 0.01 && most(same.matrices) > 3 * most(f16.matrices));
  assert.ok(most(same.matrices) < 0.5, `${most(same.matrices)}`);
});

test('types that we only read become F16', async () => {
  const { matrices, file } = await merged(fixture('llama-q4_k.gguf'), [
    { source: adapterFile('llama-q8_0-r4.gguf') },
  ]);
  assert.ok(matrices.every(({ from, to }) => from === 'q4_k' && to === 'f16'));
  const beside = await logOdds(fixture('llama-q4_k.gguf'), [
    { source: adapterFile('llama-q8_0-r4.gguf') },
  ]);
  assert.ok(differences(await logOdds(file), beside).mean < 0.01);
});

test('all else stays: keys, other tensors, byte for byte', async () => {
  const before = new Uint8Array(readFileSync(fixture('llama-f32.gguf')));
  const { file, matrices } = await merged(before, r4, 'f16');
  const [old, now] = [takeApart(before), takeApart(file)];
  assert.equal(now.keys, old.keys);
  const names = ({ tensors }: typeof old) => tensors.map(({ name }) => nameOf(name)).sort();
  assert.equal(names(now), names(old));
  const changed = new Set(matrices.map(({ name }) => name));
  assert.is(changed.size, 21); // seven in each of three layers
  const bytesOf = ({ tensors, data }: typeof old, name: string) => {
    const { shape, offset } = tensors.find((t) => nameOf(t.name) === name)!;
    const count = shape.reduce((n, by) => n * Number(by), 1);
    return Buffer.from(data.subarray(Number(offset), Number(offset) + 4 * count));
  };
  for (const name of names(old).filter((each) => !changed.has(each)))
    assert.ok(bytesOf(now, name).equals(bytesOf(old, name)), name);
  const none = await merged(before, [{ ...r4[0], scale: 0 }]);
  assert.equal(none.matrices, []);
  assert.equal(takeApart(none.file).tensors.length, old.tensors.length);
});

test('nothing is written where an adapter is to blame', async () => {
  let written = 0;
  const write = async ({ length }: Uint8Array) => void (written += length);
  const small = writeGguf(smallLlama());
  const work = mergeAdapters(small, { adapters: r4, type: 'same', write });
  await rejects(work, 'OptionError', /own model/);
  assert.is(written, 0);
  const much = mergeAdapters(fixture('llama-f16.gguf'), {
    adapters: [{ source: adapterFile('llama-q8_0-r4.gguf'), scale: 1e30 }],
    type: 'same',
    write,
  });
  await rejects(much, 'ModelFormatError', /blk.*F16 holds 65504.*lower the adapters' scales/);
});
test.run();
