// What architectures make of a file's metadata: which layers see what, which keys they follow, and
// which of another's they refuse.
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { architectures } from '../../src/model/arch/registry.ts';
import { attentionIn } from '../../src/model/blocks/registry.ts';
import { type ModelConfig, readConfig } from '../../src/model/config.ts';
import type { TensorInfo } from '../../src/model/gguf.ts';
import { readModelHeader } from '../../src/model/rewrite.ts';
import { openSource } from '../../src/model/source.ts';
import { checkTensors } from '../../src/model/tensors.ts';
import { fixture } from '../fixtures.ts';
import { rejects } from '../rejects.ts';

const common = {
  context_length: 8192,
  embedding_length: 96,
  block_count: 12,
  feed_forward_length: 64,
  'attention.head_count': 4,
  'attention.head_count_kv': 2,
  'attention.key_length': 16,
  'attention.layer_norm_rms_epsilon': 1e-6,
};
const configOf = (name: string, keys: Readonly<Record<string, unknown>> = {}): ModelConfig =>
  readConfig(
    Object.fromEntries([
      ['general.architecture', name],
      ['tokenizer.ggml.tokens', ['a', 'b']],
      ...Object.entries({ ...common, ...keys }).map(([key, value]) => [`${name}.${key}`, value]),
    ]),
    'file',
  );
const attentionOf = (config: ModelConfig) => config.layerSpecs.map((layer) => attentionIn(layer)!);
const refuses = (error: string, pattern: RegExp, name: string, keys: Record<string, unknown>) =>
  rejects((async () => configOf(name, keys))(), error, pattern);

const test = suite('architectures');
test('each has its file, and every file is registered', async () => {
  const folder = new URL('../../src/model/arch/', import.meta.url);
  const files = readdirSync(folder).filter((file) => /\.js$/.test(file) && file !== 'registry.js');
  const found: string[] = [];
  for (const file of files)
    for (const each of Object.values((await import(new URL(file, folder).href)) as object))
      if (typeof each?.describe === 'function') found.push(each.name);
  assert.equal(architectures.map(({ name }) => name).sort(), found.sort());
});

const ssm = {
  'ssm.conv_kernel': 4,
  'ssm.inner_size': 64,
  'ssm.state_size': 16,
  'ssm.time_step_rank': 4,
  'ssm.group_count': 2,
};
const sections = { 'rope.dimension_sections': [3, 3, 2, 0] };
const experts = { expert_count: 4, expert_used_count: 2, expert_feed_forward_length: 16 };
/** What some architectures need beside the common keys. */
const needs: Readonly<Record<string, Record<string, unknown>>> = {
  qwen3moe: experts,
  qwen3vl: sections,
  qwen35: { ...ssm, ...sections },
  qwen35moe: { ...ssm, ...sections, ...experts },
  gemma4: {
    'attention.sliding_window': 512,
    'attention.sliding_window_pattern': Array.from({ length: 12 }, (_, i) => i % 3 < 2),
    'attention.key_length_swa': 8,
    embedding_length_per_layer_input: 16,
  },
  lfm2: { 'shortconv.l_cache': 3 },
  lfm2moe: { 'shortconv.l_cache': 3, ...experts, expert_gating_func: 2 },
  granite: { logit_scale: 2 },
  granitemoe: { logit_scale: 2, ...experts },
  granitehybrid: { logit_scale: 2, ...ssm, 'attention.head_count_kv': [...Array(11).fill(0), 2] },
  'gpt-oss': { ...experts, 'attention.sliding_window': 128 },
  'falcon-h1': ssm,
  nemotron_h: {
    ...ssm,
    feed_forward_length: Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 64 : 0)),
    'attention.head_count_kv': Array.from({ length: 12 }, (_, i) => (i % 3 === 1 ? 2 : 0)),
  },
};

test('a config is plain data, which workers can be sent', () => {
  for (const { name } of architectures) {
    const config = configOf(name, needs[name]);
    assert.equal(structuredClone(config), config);
    assert.is(config.layerSpecs.length, 12);
  }
});

test('smollm3: every fourth layer knows no positions', () => {
  const ropes = attentionOf(configOf('smollm3')).map(({ rope }) => rope ?? '-');
  assert.is(ropes.join(''), '000-000-000-');
});

test('gemma3: windows by the number of a pattern, by a list, by default; none without a width', () => {
  const seen = (keys: Record<string, unknown>) =>
    attentionOf(configOf('gemma3', keys))
      .map(({ window, rope }) => (window === 512 && rope === 1 ? 'w' : `${window ?? ''}${rope}`))
      .join('');
  const width = { 'attention.sliding_window': 512 };
  const pattern = 'attention.sliding_window_pattern';
  assert.is(seen(width), 'wwwww0wwwww0');
  assert.is(seen({ ...width, [pattern]: 2 }), 'w0w0w0w0w0w0');
  assert.is(seen({ ...width, [pattern]: 1 }), '000000000000');
  const list = Array.from({ length: 12 }, (_, i) => i === 3 || i > 9);
  assert.is(seen({ ...width, [pattern]: list }), '000w000000ww');
  assert.is(seen({}), '000000000000');
  assert.is(seen({ 'attention.sliding_window': 0 }), '000000000000');
});

test('gemma3: windows turn by a base of their own, which no scaling touches', () => {
  const scaled = { 'rope.freq_base': 1e6, 'rope.scaling.type': 'linear', 'rope.scaling.factor': 8 };
  const [all, own] = configOf('gemma3', scaled).ropes;
  assert.equal([all.base, all.scale, own.base, own.scale], [1e6, 8, 10000, 1]);
  assert.is(configOf('gemma3', { 'rope.freq_base_swa': 500 }).ropes[1].base, 500);
});

test('gemma3: the 27B model alone scales its queries', () => {
  const scales = (layers: number) =>
    new Set(attentionOf(configOf('gemma3', { block_count: layers })).map((a) => a.queryScale));
  assert.equal([...scales(48)], [undefined]);
  // beside 1 / sqrt(16): 1 / sqrt(96 / 4) in all
  assert.equal([...scales(62)], [Math.sqrt(16 / 24)]);
});

test('what another architecture follows, or none does, is refused', async () => {
  for (const name of ['llama', 'smollm3'])
    for (const key of ['rope.freq_base_swa', 'attention.sliding_window'])
      await refuses('UnsupportedError', new RegExp(`${name}.${key}`), name, { [key]: 512 });
  for (const [key, value] of [
    ['attn_logit_softcapping', 50],
    ['hidden_activation', 'silu'],
    ['rope.scaling.type', 'dynamic'],
    ['attention.scale', 0.5],
    ['embedding_scale', 2],
  ] as const)
    await refuses('UnsupportedError', /rope scaling|gemma3\./, 'gemma3', { [key]: value });
  configOf('gemma3', { hidden_activation: 'gelu_pytorch_tanh', final_logit_softcapping: 0 });
  await refuses('UnsupportedError', /hidden_activation/, 'llama', {
    hidden_activation: 'gelu_pytorch_tanh',
  });
});

test('windows that cannot be', async () => {
  const pattern = 'attention.sliding_window_pattern';
  for (const [key, value] of [
    ['attention.sliding_window', -1],
    ['attention.sliding_window', 1.5],
    [pattern, 0],
    [pattern, [true, false]],
    [pattern, new Array(12).fill(1)],
    ['rope.freq_base_swa', 0],
  ] as const)
    await refuses('ModelFormatError', new RegExp(`gemma3.${key}.*expected`), 'gemma3', {
      'attention.sliding_window': 512,
      [key]: value,
    });
});

test('keys and values of a layer that sees the rows of another may stand in a file, unread', async () => {
  const source = await openSource(fixture('archs/gemma4.gguf'));
  const { tensors, config } = await readModelHeader(source).finally(() => source.close());
  const layer = attentionOf(config).findIndex(({ rowsOf }) => rowsOf !== undefined);
  const { kvHeads, headDim } = attentionOf(config)[layer];
  const extra = (name: string, rows: number, columns: number): TensorInfo => ({
    ...{ ...tensors[0], name: `blk.${layer}.${name}.weight`, rows, columns },
    type: tensors.find(({ type }) => type.name === 'f32')!.type,
  });
  const key = extra('attn_k', kvHeads * headDim, config.width);
  const more = [key, extra('attn_k_norm', 1, headDim)];
  const read = checkTensors(tensors, config, 'file');
  assert.equal(checkTensors([...tensors, ...more], config, 'file'), read);
  for (const [odd, reason] of [
    [{ ...key, rows: key.rows + 4 }, /the metadata imply/],
    [{ ...key, name: key.name.replace('attn_k', 'attn_z') }, /is not part of/],
  ] as const)
    assert.throws(() => checkTensors([...tensors, odd], config, 'file'), reason);
});

const sparse = 1.6448533535003662;
const gemma3n = {
  ...{ block_count: 30, 'attention.sliding_window': 512 },
  'attention.sliding_window_pattern': Array.from({ length: 30 }, (_, i) => i % 5 < 4),
};

test('gemma3n: what the file does not tell is as in the published models, and is told the same', () => {
  const plain = configOf('gemma3n', { block_count: 30, 'attention.sliding_window': 512 });
  const told = configOf('gemma3n', {
    ...gemma3n,
    'altup.num_inputs': 4,
    'altup.active_idx': 0,
    embedding_length_per_layer_input: 256,
    'attention.shared_kv_layers': 10,
    activation_sparsity_scale: Array.from({ length: 30 }, (_, i) => (i < 10 ? sparse : -Infinity)),
    final_logit_softcapping: 30,
    'rope.freq_base_swa': 10000,
  });
  assert.equal(told, plain);
  const owners = attentionOf(plain).map(({ rowsOf }) => rowsOf);
  assert.equal(owners.slice(0, 20), new Array(20).fill(undefined));
  assert.equal(owners.slice(20), [18, 18, 18, 18, 19, 18, 18, 18, 18, 19]);
  const activations = plain.layerSpecs
    .flat()
    .flatMap((spec) => (spec.kind === 'feed-forward' ? [spec.activation] : []));
  assert.equal(activations, [...Array(10).fill('sparse-gelu'), ...Array(20).fill('gelu')]);
  assert.is(plain.streams, 4);
  assert.equal(plain.layerInputs, { width: 256 });
});

test('gemma3n: what it cannot be', async () => {
  for (const [key, value] of [
    ['altup.active_idx', 1],
    ['activation_sparsity_scale', [...Array(29).fill(-Infinity), 0.5]],
    ['altup.lr_multiplier', 0.5],
    ['laurel_scale', 2],
  ] as const)
    await refuses('UnsupportedError', new RegExp(`gemma3n.${key}.*choose`), 'gemma3n', {
      ...gemma3n,
      [key]: value,
    });
  for (const [key, value] of [
    ['altup.num_inputs', 1],
    ['altup.num_inputs', 1.5],
    ['activation_sparsity_scale', [sparse]],
    ['activation_sparsity_scale', 1],
    ['embedding_length_per_layer_input', 0],
    ['attention.shared_kv_layers', 29],
  ] as const)
    await refuses('ModelFormatError', new RegExp(`gemma3n.${key}.*expected`), 'gemma3n', {
      ...gemma3n,
      [key]: value,
    });
  await refuses('ModelFormatError', /share rows, but/, 'gemma3n', {
    ...gemma3n,
    'attention.shared_kv_layers': 11,
  });
});
test.run();
