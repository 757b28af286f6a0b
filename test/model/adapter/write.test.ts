// Adapters that are written are read again, number for number, in both formats; and files that
// others wrote come out as they were.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../../src/engine/logits.ts';
import { loadModel } from '../../../src/engine/model.ts';
import { readPair } from '../../../src/model/adapter/numbers.ts';
import { closeAdapters, openAdapters } from '../../../src/model/adapter/open.ts';
import { matrixOf } from '../../../src/model/adapter/spec.ts';
import {
  type AdapterData,
  ggufAdapter,
  type PairData,
  peftAdapter,
} from '../../../src/model/adapter/write.ts';
import { readConfig } from '../../../src/model/config.ts';
import { readGguf } from '../../../src/model/gguf.ts';
import { joined } from '../../../src/math/joined.ts';
import { type ModelInput, openSource } from '../../../src/model/source.ts';
import { fixture } from '../../fixtures.ts';
import { nameOf, takeApart } from '../../fuzz/mutate.ts';
import { adapterFile } from './adapter-fixtures.ts';

const test = suite('adapters as files');

async function baseOf(file: string) {
  const input = fixture(file);
  const source = await openSource(input);
  const { metadata, tensors } = await readGguf(source);
  await source.close();
  return { input, config: readConfig(metadata, file), tensors };
}
type Base = Awaited<ReturnType<typeof baseOf>>;

/** All numbers of a file, with what they are scaled by. */
async function numbersOf(base: Base, source: ModelInput, config?: ModelInput) {
  const adapters = await openAdapters([{ source, config }], base);
  const [{ source: from, pairs }] = adapters;
  const out: (PairData & { scale: number })[] = [];
  for (const pair of pairs) out.push({ ...(await readPair(from, pair)), scale: pair.scale });
  await closeAdapters(adapters);
  return out.sort((a, b) => (a.matrix < b.matrix ? -1 : 1));
}

/** Rows of B in PEFT's file and in memory are not the same where `heads` is given. */
function randomData(base: Base, ranks: readonly number[]): AdapterData {
  let state = 7;
  const next = () => (state = (state * 16807) % 2147483647) / 2147483647 - 0.5;
  const numbers = (count: number) => Float32Array.from({ length: count }, next);
  const targets = ['q', 'k', 'v', 'down'] as const;
  const pairs = targets.flatMap((target, t) =>
    [0, 1].map((layer): PairData => {
      const matrix = matrixOf(layer, target);
      const { rows, columns } = base.tensors.find(({ name }) => name === matrix)!;
      const rank = ranks[(t + layer) % ranks.length];
      return { matrix, rank, a: numbers(rank * columns), b: numbers(rows * rank) };
    }),
  );
  return { name: 'random', alpha: 12, pairs };
}

for (const model of ['llama-f32.gguf', 'qwen2-f32.gguf'])
  for (const ranks of [[5], [1, 3, 16]])
    test(`${model}, ranks ${ranks}: number for number`, async () => {
      const base = await baseOf(model);
      const data = randomData(base, ranks);
      const expected = data.pairs
        .map((pair) => ({ ...pair, scale: data.alpha / pair.rank }))
        .sort((a, b) => (a.matrix < b.matrix ? -1 : 1));
      const gguf = joined(ggufAdapter(data, base.config));
      assert.equal(await numbersOf(base, gguf), expected);
      const { tensors, config } = peftAdapter(data, base.config);
      const configBytes = new TextEncoder().encode(config);
      assert.equal(await numbersOf(base, joined(tensors), configBytes), expected);
    });

test("llama.cpp's tensors and PEFT's come out of the writers as they were", async () => {
  const base = await baseOf('llama-f32.gguf');
  const pairs = await numbersOf(base, adapterFile('llama-f32-r4.gguf'));
  const data = { name: 'llama-f32-r4', alpha: 16, pairs };
  assert.equal(await numbersOf(base, joined(ggufAdapter(data, base.config))), pairs);
  const written = partsOf(joined(ggufAdapter(data, base.config)));
  assert.equal(written, partsOf(readFileSync(adapterFile('llama-f32-r4.gguf'))));
  const { tensors, config } = peftAdapter(data, base.config);
  const theirs = readFileSync(`${adapterFile('llama-f32-r4')}/adapter_model.safetensors`);
  assert.equal(tensorsOf(joined(tensors)), tensorsOf(theirs));
  const known = JSON.parse(
    readFileSync(`${adapterFile('llama-f32-r4')}/adapter_config.json`, 'utf8'),
  ) as Record<string, unknown>;
  const ours = JSON.parse(config) as Record<string, unknown>;
  for (const key of ['peft_type', 'task_type', 'r', 'lora_alpha', 'bias', 'use_rslora', 'use_dora'])
    assert.is(ours[key], known[key], key);
  const sorted = (names: unknown) => [...(names as string[])].sort();
  assert.equal(sorted(ours.target_modules), sorted(known.target_modules));
});

/** A GGUF file, by another reader: its keys, and its tensors where they lie. */
function partsOf(file: Uint8Array): readonly unknown[] {
  const { version, keys, tensors, data } = takeApart(file);
  const text = (value: unknown) => (value instanceof Uint8Array ? nameOf(value) : value);
  const size = (shape: readonly bigint[]) => 4 * shape.reduce((n, by) => n * Number(by), 1);
  const sorted = <T extends readonly unknown[]>(list: T[]) =>
    list.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return [
    version,
    sorted(keys.map(({ name, type, values }) => [nameOf(name), type, values.map(text)])),
    sorted(
      tensors.map(({ name, shape, type, offset }) => {
        const from = Number(offset);
        return [nameOf(name), shape, type, [...data.subarray(from, from + size(shape))]];
      }),
    ),
  ];
}

/** A safetensors file, read as plainly as can be. */
function tensorsOf(file: Uint8Array): Record<string, unknown> {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  assert.is(length % 8, 0);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => [name, [dtype, shape, [...file.subarray(8 + length + begin, 8 + length + end)]]],
      ),
  );
}

test('a model takes what was written, and gives the same', async () => {
  const base = await baseOf('qwen3-f32.gguf');
  const data = randomData(base, [4]);
  const { tensors, config } = peftAdapter(data, base.config);
  const given = [
    { source: joined(ggufAdapter(data, base.config)) },
    { source: joined(tensors), config: new TextEncoder().encode(config) },
  ];
  const found = [];
  for (const adapter of given) {
    using model = await loadModel(base.input, { adapters: [adapter], threads: 1 });
    found.push((await textLogits(model, 'Hello world', 20)).top);
  }
  assert.equal(found[0], found[1]);
});
test.run();
