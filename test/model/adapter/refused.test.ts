// Adapters that are not applied: which error says why, naming the tensor, before anything is
// reserved.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createReferenceBackend } from '../../../src/backend/reference.ts';
import { loadModel } from '../../../src/engine/model.ts';
import type { AdapterOption } from '../../../src/model/adapter/option.ts';
import { fixture } from '../../fixtures.ts';
import {
  type GgufSpec,
  type MetadataValue,
  randomTensors,
  smallLlama,
  type TensorSpec,
  writeGguf,
} from '../../gguf-writer.ts';
import { rejects } from '../../rejects.ts';
import { type StoredTensor, writeSafetensors } from '../../safetensors-writer.ts';
import { adapterFile } from './adapter-fixtures.ts';

const base = writeGguf(smallLlama()); // one layer, 8 wide: q 8, k and v 4, F 16

/** Loads the small model, or another, with adapters: nothing is reserved where that fails. */
async function load(
  adapters: readonly (AdapterOption | string)[],
  model: Uint8Array | string = base,
): Promise<number> {
  const backend = createReferenceBackend();
  const loaded: number[] = [];
  const onProgress = ({ loadedBytes }: { loadedBytes: number }) => loaded.push(loadedBytes);
  try {
    using found = await loadModel(model, { adapters, device: backend, onProgress });
    return found.bytes;
  } catch (error) {
    assert.is(backend.arena.usedBytes, 0, 'something is reserved');
    assert.equal(loaded, [], 'the model was read');
    throw error;
  }
}

const tensor = randomTensors(3);
const Q = 'blk.0.attn_q.weight';
const pair = (matrix = Q, k = 8, m = 8, r = 2): TensorSpec[] => [
  tensor(`${matrix}.lora_a`, k, r),
  tensor(`${matrix}.lora_b`, r, m),
];
const gguf = (
  tensors: readonly TensorSpec[] = pair(),
  metadata: Readonly<Record<string, MetadataValue | undefined>> = {},
  more: Partial<GgufSpec> = {},
): AdapterOption => {
  const keys: Record<string, MetadataValue | undefined> = {
    'general.architecture': 'llama',
    'general.type': 'adapter',
    'adapter.type': 'lora',
    'adapter.lora.alpha': { f32: 4 },
    ...metadata,
  };
  const given = Object.entries(keys).filter(([, value]) => value !== undefined);
  return {
    source: writeGguf({
      metadata: Object.fromEntries(given) as Record<string, MetadataValue>,
      tensors,
      ...more,
    }),
  };
};

const MODULE = 'base_model.model.model.layers.0.self_attn.q_proj';
const stored = (rows: number, columns: number, change: Partial<StoredTensor> = {}) => ({
  shape: [rows, columns],
  data: tensor('', columns, rows).data,
  ...change,
});
const halves = (module = MODULE) => ({
  [`${module}.lora_A.weight`]: stored(2, 8),
  [`${module}.lora_B.weight`]: stored(8, 2),
});
const plainConfig = { peft_type: 'LORA', r: 2, lora_alpha: 4, bias: 'none' };
const configOf = (change: Record<string, unknown> = {}) =>
  new TextEncoder().encode(JSON.stringify({ ...plainConfig, ...change }));
const peft = (
  tensors: Parameters<typeof writeSafetensors>[0] = halves(),
  config: Record<string, unknown> = {},
  lies: Parameters<typeof writeSafetensors>[1] = {},
): AdapterOption => ({ source: writeSafetensors(tensors, lies), config: configOf(config) });

const refuses = (adapter: AdapterOption | string, error: string, pattern: RegExp) =>
  rejects(load([adapter]), error, pattern);

const test = suite('adapters that are refused');
test('what is not refused loads', async () => {
  const plain = await load([]);
  for (const adapter of [
    gguf(),
    gguf(pair(), { 'adapter.lora.alpha': undefined }),
    gguf(pair(), { 'general.name': 'x', 'general.file_type': 0 }),
    peft(),
    peft(halves(MODULE.replace('base_model.model.', ''))),
    peft(halves(), { use_dora: false, modules_to_save: null, something_new: null, arrow: [] }),
    peft(halves(), { rank_pattern: { k_proj: 7 }, alpha_pattern: { '.*q_proj': 1 } }),
  ])
    assert.is(await load([adapter]), plain + 4 * 2 * (8 + 8));
});

test("another model's: architecture, layers, shapes, rank", async () => {
  await refuses(
    gguf(pair(), { 'general.architecture': 'qwen2' }),
    'OptionError',
    /'qwen2', the model's is 'llama'.*own model/,
  );
  const other = 'blk.7.attn_q.weight';
  await refuses(gguf(pair(other)), 'OptionError', /blk\.7\.attn_q\.weight\.lora_a.*has 1 layers/);
  await refuses(gguf(pair(Q, 16)), 'OptionError', /lora_a' is \[2, 16\].*wants \[2, 8\]/);
  await refuses(gguf(pair(Q, 8, 4)), 'OptionError', /lora_b' is \[4, 2\].*wants \[8, 2\]/);
  await refuses(gguf(pair(Q, 8, 8, 9)), 'OptionError', /lora_a' has rank 9, the model's width 8/);
  const away = peft(halves(MODULE.replace('0', '3')));
  await refuses(away, 'OptionError', /layers\.3\.self_attn\.q_proj\.lora_A.*does not have/);
  // PEFT's files do not say what they are for: shapes tell
  const theirs = adapterFile('qwen3-f32-r4-qv-f16');
  await rejects(load([theirs], fixture('llama-f32.gguf')), 'OptionError', /lora_[AB].*own model/);
});

test('pairs: halves, ranks, twice', async () => {
  const [a, b] = pair();
  await refuses(gguf([a]), 'ModelFormatError', /lora_a' is half of a pair, its B is missing/);
  await refuses(gguf([b]), 'ModelFormatError', /lora_b' is half of a pair, its A is missing/);
  await refuses(gguf([]), 'ModelFormatError', /without tensors/);
  await refuses(gguf([a, a, b]), 'ModelFormatError', /lora_a' is listed twice/);
  const third = tensor(b.name, 3, 8);
  await refuses(gguf([a, third]), 'ModelFormatError', /lora_a' has rank 2.*lora_b' 3/);
  const A = `${MODULE}.lora_A.weight`;
  const twice = `,"${A}":{"dtype":"F32","shape":[2,8],"data_offsets":[0,64]}`;
  await refuses(peft(halves(), {}, { more: twice }), 'ModelFormatError', /lora_A.*listed twice/);
  const escaped = twice.replace('lora_A', 'lora_\\u0041');
  await refuses(peft(halves(), {}, { more: escaped }), 'ModelFormatError', /lora_A.*listed twice/);
  const again = { ...halves(), [`${MODULE}.lora_A.default.weight`]: stored(2, 8) };
  await refuses(peft(again), 'ModelFormatError', /lora_A.*same half of a pair/);
});

test('what we would have to leave out is named', async () => {
  for (const name of ['blk.0.attn_norm.weight', 'token_embd.weight', 'output.weight', 'blk.0.x'])
    await refuses(
      gguf([...pair(), ...pair(name)]),
      'UnsupportedError',
      new RegExp(`${name}.lora_a`),
    );
  await refuses(gguf([...pair(), tensor('rope_freqs', 4)]), 'UnsupportedError', /'rope_freqs'/);
  for (const name of [
    'base_model.model.model.embed_tokens.lora_embedding_A',
    'base_model.model.lm_head.lora_A.weight',
    'base_model.model.model.layers.0.input_layernorm.weight',
    `${MODULE}.lora_B.bias`,
    `${MODULE}.lora_magnitude_vector`,
    '__proto__',
  ])
    await refuses(
      peft({ ...halves(), ...JSON.parse(`{"${name}":0}`), [name]: stored(1, 4) }),
      'UnsupportedError',
      new RegExp(name),
    );
});

test("what PEFT's configuration asks for, and we do not follow", async () => {
  for (const [key, value] of Object.entries({
    use_dora: true,
    modules_to_save: ['lm_head'],
    bias: 'lora_only',
    fan_in_fan_out: true,
    init_lora_weights: 'pissa',
    layer_replication: [[0, 1]],
    lora_bias: true,
    peft_type: 'IA3',
    alora_invocation_tokens: [1],
    something_new: 3,
  }))
    await refuses(peft(halves(), { [key]: value }), 'UnsupportedError', new RegExp(`'${key}' is`));
  for (const pattern of ['(a+)+q_proj', '.*.*.*q', '(?=q)q_proj', 'q{1,9}', `${'a'.repeat(300)}*`])
    await refuses(
      peft(halves(), { rank_pattern: { [pattern]: 2 } }),
      'UnsupportedError',
      /'rank_pattern' has the pattern/,
    );
  await refuses(peft(halves(), { r: 4 }), 'ModelFormatError', /lora_A.*rank 2.*says 4/);
  await refuses(peft(halves(), { lora_alpha: 'x' }), 'ModelFormatError', /'lora_alpha' is "x"/);
  await refuses(peft(halves(), { rank_pattern: [2] }), 'ModelFormatError', /no table/);
  const { source } = peft();
  await refuses({ source }, 'OptionError', /adapter_config\.json.*pass it as `config`/);
  const none = new TextEncoder().encode('[]');
  await refuses({ source, config: none }, 'ModelFormatError', /no JSON object/);
});

test('numbers that are none, in the adapter and beside it', async () => {
  for (const [side, value] of [
    [0, Number.NaN],
    [1, Number.POSITIVE_INFINITY],
  ] as const) {
    const tensors = pair();
    new Float32Array(tensors[side].data.buffer)[5] = value;
    const name = tensors[side].name;
    await refuses(gguf(tensors), 'ModelFormatError', new RegExp(`'${name}' holds a number`));
  }
  const alpha = { 'adapter.lora.alpha': { f32: Number.NaN } };
  await refuses(gguf(pair(), alpha), 'ModelFormatError', /adapter\.lora\.alpha' is NaN/);
  for (const scale of [Number.NaN, Number.NEGATIVE_INFINITY, '1' as unknown as number])
    await refuses({ ...gguf(), scale }, 'OptionError', /adapters\[0\]\.scale is .*finite number/);
  await refuses({ ...gguf(), scale: 1e300 }, 'ModelFormatError', /scaled by .*lower the scale/);
  await refuses('x.gguf:NaN', 'OptionError', /scale NaN, expected a finite number/);
  await refuses('x.gguf:-Infinity', 'OptionError', /scale -Infinity/);
});

test('one that is listed twice, and what is no adapter', async () => {
  const { source } = gguf();
  await rejects(
    load([{ source }, { source, scale: 2 }]),
    'OptionError',
    /twice.*sum of the scales/,
  );
  await rejects(load(['a.gguf', 'a.gguf:2']), 'OptionError', /lists 'a\.gguf' twice/);
  for (const value of [undefined, 3, null, {}, { source, weight: 1 }])
    await rejects(load([value as unknown as string]), 'OptionError', /adapters\[0\]/);
  await rejects(load('a.gguf' as unknown as string[]), 'OptionError', /expected a list/);
  await refuses(fixture('llama-f32.gguf'), 'UnsupportedError', /general\.type is 'model'/);
  await refuses(gguf(pair(), { 'adapter.type': 'x' }), 'UnsupportedError', /adapter\.type is 'x'/);
  const odd = { 'adapter.alora.invocation_tokens': [1, 2] };
  await refuses(gguf(pair(), odd), 'UnsupportedError', /alora\.invocation_tokens/);
  await rejects(loadModel(adapterFile('llama-f32-r4.gguf')), 'UnsupportedError', /--adapter/);
  await refuses(fixture('adapters'), 'OptionError', /adapter_model\.safetensors/);
  await refuses('nowhere.gguf', 'OptionError', /no file at 'nowhere\.gguf'/);
});

test('safetensors that lie or are damaged', async () => {
  const A = `${MODULE}.lora_A.weight`;
  const lying = (change: Record<string, unknown>) =>
    peft({ ...halves(), [A]: stored(2, 8, change as Partial<StoredTensor>) });
  const damaged = (adapter: AdapterOption, pattern: RegExp) =>
    refuses(adapter, 'ModelFormatError', pattern);
  await damaged(lying({ data_offsets: [0, 60] }), /lora_A.*takes bytes 0 to 60/);
  await damaged(lying({ data_offsets: [64, 128] }), /overlap or leave gaps/);
  await damaged(lying({ data_offsets: [2 ** 53, 2 ** 53 + 64] }), /lora_A.*data_offsets/);
  await damaged(lying({ data_offsets: [640, 704] }), /lora_A.*ends at byte/);
  await damaged(lying({ data_offsets: 'x' }), /lora_A.*data_offsets/);
  await damaged(lying({ shape: [2, -8] }), /lora_A.*no shape/);
  await damaged(lying({ shape: [0, 8] }), /lora_A.*shape \[0,8\]/);
  await damaged(lying({ shape: [2 ** 40, 2 ** 40] }), /lora_A.*shape/);
  await refuses(lying({ dtype: 'F8_E4M3' }), 'UnsupportedError', /lora_A.*dtype F8_E4M3/);
  await refuses(lying({ dtype: 'constructor' }), 'UnsupportedError', /dtype constructor/);
  await refuses(lying({ shape: [2, 4, 2] }), 'UnsupportedError', /3 dimensions/);
  for (const length of [2n ** 63n, 2n ** 40n, 1n << 23n])
    await damaged(peft(halves(), {}, { length }), /begins with the bytes|header of/);
  await damaged(peft(halves(), {}, { length: 40n }), /header is no JSON/);
  const { source, config } = peft();
  const bytes = source as Uint8Array;
  await damaged({ source: bytes.slice(0, -4), config }, /ends at byte/);
  await damaged({ source: new Uint8Array([...bytes, 0]), config }, /tensors end at byte/);
  await damaged({ source: bytes.slice(0, 20), config }, /claims a header/);
  await damaged({ source: new Uint8Array(0) }, /empty/);
});

test('a GGUF adapter that is cut off', async () => {
  const whole = readFileSync(adapterFile('llama-f32-r4.gguf'));
  const load4 = (source: Uint8Array) => load([{ source }], fixture('llama-f32.gguf'));
  await rejects(load4(whole.subarray(0, 40000)), 'ModelFormatError', /tensor '.*lora_.*' ends/);
  await rejects(load4(whole.subarray(0, 300)), 'ModelFormatError', /damaged/);
});
test.run();
