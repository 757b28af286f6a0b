// What a file says is followed, or refused by name: formats, kinds of files, keys that change
// numbers, tensors too many, numbers that are none, lengths that lie; and what is read of a header
// is what stands there.
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { textLogits } from '../../src/engine/logits.ts';
import { loadModel } from '../../src/engine/model.ts';
import { readGguf } from '../../src/model/gguf.ts';
import { openSource } from '../../src/model/source.ts';
import { fixture } from '../fixtures.ts';
import { nameOf, putTogether, takeApart } from '../fuzz/mutate.ts';
import { type MetadataValue, smallLlama, type TensorSpec, writeGguf } from '../gguf-writer.ts';
import { rejects } from '../rejects.ts';

const load = async (bytes: Uint8Array) => (await loadModel(bytes, { threads: 1 })).dispose();
const withKeys = (metadata: Record<string, MetadataValue | undefined>) =>
  writeGguf(smallLlama({ metadata }));
const withTensors = (tensors: (all: TensorSpec[]) => TensorSpec[]) =>
  writeGguf(smallLlama({ tensors }));
const raw = (type: number, ...bytes: number[]): MetadataValue => ({
  raw: Uint8Array.from([type, 0, 0, 0, ...bytes]),
});
const latin1 = (text: string) => Uint8Array.from(text.padEnd(64, ' '), (c) => c.charCodeAt(0));
const vector = (name: string, columns: number): TensorSpec => ({
  name,
  shape: [columns],
  type: 0,
  data: new Uint8Array(columns * 4),
});

const header = suite('GGUF header');
header(
  'values come as they stand: numbers, bigints of 64 bits, texts with U+FEFF, any name',
  async () => {
    const { metadata } = await readGguf(
      await openSource(
        withKeys({
          a: raw(0, 255),
          b: raw(1, 255),
          c: raw(2, 255, 255),
          d: raw(3, 255, 255),
          e: raw(4, 255, 255, 255, 255),
          f: raw(5, 255, 255, 255, 255),
          g: { f32: 0.5 },
          h: true,
          i: raw(10, 255, 255, 255, 255, 255, 255, 255, 255),
          j: raw(11, 255, 255, 255, 255, 255, 255, 255, 255),
          k: raw(12, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f),
          l: '\uFEFFa text longer than most tokens are',
          m: ['\uFEFF', '\uFEFFa', 'é', '🙂', '', 'plain'],
          n: raw(9, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0),
          o: raw(8, 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x41),
          ['__proto__']: 'own',
        }),
      ),
    );
    const found = 'abcdefghijklmno'.split('').map((key) => metadata[key]);
    const texts = [
      '\uFEFFa text longer than most tokens are',
      ['\uFEFF', '\uFEFFa', 'é', '🙂', '', 'plain'],
    ];
    assert.equal(found, [
      255,
      -1,
      65535,
      -1,
      2 ** 32 - 1,
      -1,
      0.5,
      true,
      2n ** 64n - 1n,
      -1n,
      0.5,
      ...texts,
      [7n],
      '\uFFFDA',
    ]);
    assert.equal(
      [metadata.version, metadata.tensor_count, metadata.kv_count],
      [3, 11n, BigInt(Object.keys(metadata).length - 3)],
    );
    assert.is(Object.getPrototypeOf(metadata), Object.prototype);
  },
);
header('it is read in pieces, wherever they are cut', async () => {
  const bytes = readFileSync(fixture('llama-f32.gguf'));
  const source = await openSource(bytes);
  const whole = await readGguf(source);
  // a source that gives no more than it must, as the end of a file does
  const short = await readGguf({
    ...source,
    read: (offset, length) => source.read(offset, length > 512 ? 600 : length),
  });
  assert.equal(short, whole);
});
header('memory that threads share can be read', async () => {
  const bytes = writeGguf(smallLlama());
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  await load(shared);
});
header(
  'what cannot be is refused: keys twice, lists in lists, lengths, counts, alignments',
  async () => {
    const twice = takeApart(writeGguf(smallLlama()));
    twice.keys.push(twice.keys[1]);
    await rejects(
      load(putTogether(twice).file),
      'ModelFormatError',
      /'general.name' is there twice/,
    );
    const nested = raw(9, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    await rejects(
      load(withKeys({ 'general.tags': nested })),
      'ModelFormatError',
      /'general.tags' is an array of arrays/,
    );
    for (const alignment of [0, 3, 33, 2 ** 31, 'wide', true])
      await rejects(
        load(withKeys({ 'general.alignment': alignment })),
        'ModelFormatError',
        /general.alignment is .*power of two/,
      );
    const name = { raw: Uint8Array.from([8, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]) };
    await rejects(
      load(withKeys({ x: name })),
      'ModelFormatError',
      /has 4294967295 bytes, the limit is 67108864/,
    );
  },
);
header(
  'a header of hundreds of MB is refused where it passes a limit, before it was read',
  async () => {
    // files whose size nobody knows: zeros without end behind a value that says it is large
    const large: [MetadataValue, RegExp][] = [
      [
        raw(9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0),
        /header has \d+ bytes or more, the limit is 67108864/,
      ], // 2^40 bytes
      // texts
      [raw(9, 8, 0, 0, 0, 1, 0, 64, 0, 0, 0, 0, 0), /have 4194305 items, the limit is 4194304/],
      [raw(8, 0, 0, 0, 16, 0, 0, 0, 0), /has 268435456 bytes, the limit is/], // a text
      // 48 MiB are read, and empty keys behind them
      [raw(8, 0, 0, 0, 3, 0, 0, 0, 0), /is there twice/],
    ];
    for (const [value, pattern] of large) {
      const begin = writeGguf({ metadata: { 'general.tags': value }, tensors: [], keyCount: 100n });
      const none = await openSource(begin);
      let asked = 0;
      const endless = {
        ...none,
        sizeBytes: Number.POSITIVE_INFINITY,
        read: async (offset: number, length: number) => {
          asked += length;
          const bytes = new Uint8Array(length);
          if (offset < begin.length) bytes.set(begin.subarray(offset, offset + length));
          return bytes;
        },
      };
      await rejects(readGguf(endless), 'ModelFormatError', pattern);
      assert.ok(asked < 60e6, `${asked} bytes were asked for`);
    }
  },
);
header.run();

const kinds = suite('files of another kind');
kinds('other formats are named, with what to do', async () => {
  const fine: [string, RegExp][] = [
    ['\x40\x00\x00\x00\x00\x00\x00\x00{"__metadata__":{}}', /safetensors.*convert/],
    ['PK\x03\x04', /zip archive/],
    ['\x80\x02}q\x00', /pickle/],
    ['tjgg\x03\x00\x00\x00', /before GGUF/],
    ['\x89HDF\r\n\x1a\n', /HDF5/],
    ['\x93NUMPY', /NumPy/],
    ['\x1f\x8b\x08', /gzip/],
    ['\x28\xb5\x2f\xfd', /zstd/],
    ['\x08\x07\x12\x07pytorch', /ONNX/],
    ['\x1c\x00\x00\x00TFL3', /TensorFlow Lite/],
    [`${'model.gguf'.padEnd(257, '\0')}ustar`, /tar archive/],
  ];
  for (const [text, pattern] of fine)
    await rejects(load(latin1(text)), 'UnsupportedError', pattern);
  const strange: [string, RegExp][] = [
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS.*git lfs pull/],
    ['\n <!DOCTYPE html><html>', /web page.*resolve/],
    ['<?xml version="1.0"?><Error>', /web page/],
    ['{"error":"Repository not found"}', /JSON/],
    ['\0'.repeat(64), /nothing but zeros/],
    ['hello', /begins with the bytes '68 65 6c 6c'/],
    ['', /20 20 20 20/],
  ];
  for (const [text, pattern] of strange)
    await rejects(load(latin1(text)), 'ModelFormatError', pattern);
  await rejects(load(new Uint8Array(0)), 'ModelFormatError', /file is empty/);
});
kinds(
  'GGUF files that are no whole language model are named before their tensors are looked at',
  async () => {
    const none = { tensors: () => [] };
    const u16 = (n: number) => raw(2, n & 255, n >> 8);
    const of = (
      metadata: Record<string, MetadataValue | undefined>,
      tensors?: (all: TensorSpec[]) => TensorSpec[],
    ) => load(writeGguf(smallLlama({ metadata, tensors })));
    await rejects(
      of({ 'split.count': u16(3), 'split.no': u16(1) }),
      'OptionError',
      /part 2 of 3.*name the first/,
    );
    await rejects(
      of({ 'split.count': u16(2), 'split.no': u16(0) }, none.tensors),
      'OptionError',
      /part 1 of 2.*as a list/,
    );
    await of({ 'split.count': u16(1), 'split.no': u16(0) }); // a whole that a splitter wrote
    await rejects(of({ 'general.type': 'adapter' }), 'UnsupportedError', /adapter/);
    await rejects(of({ 'adapter.type': 'lora' }), 'UnsupportedError', /adapter/);
    await rejects(
      of({ 'general.architecture': 'llama' }, () => [vector('blk.0.attn_q.weight.lora_a', 8)]),
      'UnsupportedError',
      /adapter/,
    );
    await rejects(of({ 'general.architecture': 'clip' }), 'UnsupportedError', /projector/);
    await rejects(of({ 'general.type': 'mmproj' }), 'UnsupportedError', /projector/);
    await rejects(
      of({ 'general.type': 'imatrix' }, none.tensors),
      'UnsupportedError',
      /importance matrix/,
    );
    await rejects(of({}, none.tensors), 'UnsupportedError', /vocabulary without weights/);
    await rejects(
      of({ 'general.architecture': 'starcoder2' }),
      'UnsupportedError',
      /'starcoder2'.*llama, qwen2, qwen3/,
    );
    await rejects(
      of({ 'general.architecture': 'constructor' }),
      'UnsupportedError',
      /'constructor'/,
    );
    const experts = (all: TensorSpec[]) => [
      ...all,
      { name: 'blk.0.ffn_up_exps.weight', shape: [2, 2, 4], type: 0, data: new Uint8Array(64) },
    ];
    await rejects(
      of({ 'llama.expert_count': 4 }, experts),
      'UnsupportedError',
      /mixture of experts of 4/,
    );
  },
);
kinds('types that are not read are named', async () => {
  for (const [type, name] of [
    [31, 'Q4_0_4_4'],
    [77, 'number 77'],
  ] as const)
    await rejects(
      load(withTensors((all) => all.map((t, i) => (i === 3 ? { ...t, type } : t)))),
      'UnsupportedError',
      new RegExp(`has type ${name};`),
    );
});
kinds.run();

const keys = suite('keys that change numbers');
const refused: [string, MetadataValue][] = [
  ['attention.causal', false],
  ['attention.sliding_window', 32],
  ['attention.scale', { f32: 0.25 }],
  ['attention.clamp_kqv', { f32: 8 }],
  ['attention.max_alibi_bias', { f32: 8 }],
  ['attention.temperature_scale', { f32: 0.1 }],
  ['attention.something_new', 1],
  ['attn_logit_softcapping', { f32: 50 }],
  ['final_logit_softcapping', { f32: 30 }],
  ['logit_scale', { f32: 0.0625 }],
  ['residual_scale', { f32: 0.22 }],
  ['embedding_scale', { f32: 12 }],
  ['use_parallel_residual', true],
  ['expert_used_count', 2],
  ['pooling_type', 1],
  ['hidden_activation', 'gelu'],
  ['nextn_predict_layers', 1],
  ['rope.scaling.yarn_ext_factor', { f32: 1 }],
  ['rope.scaling.alpha', { f32: 1000 }],
  ['rope.scaling.type', 'dynamic'],
  ['rope.scaling.type', 'dynamic'],
  ['rope.scaling.type', 7],
  ['rope.dimension_sections', [1, 2, 3]],
];
for (const [key, value] of refused)
  keys(`${key} ${JSON.stringify(value)}`, () =>
    rejects(
      load(withKeys({ [`llama.${key}`]: value })),
      'UnsupportedError',
      /rope scaling|llama\.|experts/,
    ),
  );
keys('values that change nothing pass, and what only tells how a file was made', () =>
  load(
    withKeys({
      'llama.attention.causal': true,
      'llama.attention.sliding_window': 64,
      'llama.attention.scale': { f32: 0.5 },
      'llama.attention.clamp_kqv': { f32: 0 },
      'llama.logit_scale': { f32: 1 },
      'llama.expert_count': 0,
      'llama.expert_used_count': 0,
      'llama.pooling_type': 0,
      'llama.rope.scaling.type': 'linear',
      'llama.rope.scaling.attn_factor': { f32: 1 },
      'llama.rope.scaling.original_context_length': 64,
      'llama.rope.scaling.finetuned': true,
      'llama.tensor_data_layout': 'Meta AI original pth',
      'llama.note': 'anything',
      'qwen3.attention.causal': false,
    }),
  ),
);
keys('numbers that cannot be', async () => {
  await rejects(
    load(withKeys({ 'llama.rope.scaling.factor': { f32: Number.NaN } })),
    'ModelFormatError',
    /scaled by NaN/,
  );
  await rejects(
    load(withKeys({ 'llama.rope.scale_linear': { f32: -4 } })),
    'ModelFormatError',
    /scaled by -4/,
  );
  await rejects(
    load(withKeys({ 'llama.attention.layer_norm_rms_epsilon': undefined })),
    'ModelFormatError',
    /epsilon' is missing/,
  );
});
keys(
  'a rope factor counts as in llama.cpp: without a type, by the older key, and not with none',
  async () => {
    // llama.cpp gives the same log-probabilities for the first three (node-llama-cpp 3.22.1), those
    // of the fixture
    const { text } = JSON.parse(readFileSync(fixture('llama-linear-f32.json'), 'utf8')) as {
      text: string;
    };
    const linear = takeApart(readFileSync(fixture('llama-linear-f32.gguf')));
    const at = (name: string) => linear.keys.find((k) => nameOf(k.name) === name)!;
    const [type, factor] = [at('llama.rope.scaling.type'), at('llama.rope.scaling.factor')];
    const others = linear.keys.filter((k) => k !== type && k !== factor);
    const named = (name: string) => ({ ...factor, name: new TextEncoder().encode(name) });
    const first = async (list: typeof others) => {
      using model = await loadModel(putTogether({ ...linear, keys: list }).file, { threads: 1 });
      return {
        scale: model.config.ropes[0].scale,
        top: (await textLogits(model, text.slice(0, 40), 5)).top,
      };
    };
    const expected = await first(linear.keys);
    assert.ok(expected.scale > 1);
    assert.equal(await first([...others, factor]), expected);
    assert.equal(await first([...others, named('llama.rope.scale_linear')]), expected);
    assert.equal(await first([...others, type, named('llama.rope.scale_linear')]), expected);
    const none = { ...type, values: [new TextEncoder().encode('none')] };
    const plain = await first(others);
    assert.is.not(plain.top[30][0][1], expected.top[30][0][1]);
    assert.equal(await first([...others, factor, none]), plain);
  },
);
keys.run();

const tensors = suite('tensors beyond the model');
const extra = (name: string, pattern: RegExp) =>
  rejects(load(withTensors((all) => [...all, vector(name, 8)])), 'UnsupportedError', pattern);
tensors('what we would have to leave out is refused', async () => {
  for (const name of ['output.bias', 'blk.0.ffn_down.bias', 'token_embd.bias'])
    await extra(name, /\(a bias\) is not part of a llama/);
  await extra('blk.0.ffn_up.input_scale', /\(a scale of NVFP4/);
  for (const name of [
    'blk.0.rope_freqs.weight',
    'blk.0.attn_post_norm.weight',
    'blk.0.attn_q_norm.weight',
    'cls.output.weight',
    'rope_factors_long.weight',
  ])
    await extra(name, /is not part of a llama/);
  await extra('blk.1.attn_norm.weight', /belongs to layer 1, 'llama.block_count' is 1/);
  const qwen2 = takeApart(readFileSync(fixture('qwen2-f32.gguf')));
  const norm = qwen2.tensors.find((t) => nameOf(t.name) === 'output_norm.weight')!;
  qwen2.tensors.push({
    ...norm,
    name: new TextEncoder().encode('rope_freqs.weight'),
    offset: BigInt(qwen2.data.length),
  });
  await rejects(
    load(
      putTogether({ ...qwen2, data: new Uint8Array([...qwen2.data, ...new Uint8Array(4096)]) })
        .file,
    ),
    'UnsupportedError',
    /rope_freqs.*qwen2/,
  );
});
tensors('rows of padding are left out, and the words are those without it', async () => {
  const padded = (metadata: Record<string, MetadataValue | undefined>) =>
    writeGguf(
      smallLlama({
        metadata,
        tensors: (all) =>
          all.map((t) =>
            t.name === 'token_embd.weight'
              ? {
                  ...t,
                  shape: [8, 283],
                  data: new Uint8Array([...t.data, ...new Uint8Array(23 * 32).fill(0x7f)]),
                }
              : t,
          ),
      }),
    );
  using plain = await loadModel(writeGguf(smallLlama()), { threads: 1 });
  const expected = await textLogits(plain, 'the hen', 260);
  for (const metadata of [{}, { 'llama.vocab_size': 283 }, { 'llama.vocab_size': 260 }]) {
    using model = await loadModel(padded(metadata), { threads: 1 });
    assert.is(model.config.vocabulary, 260);
    assert.equal(await textLogits(model, 'the hen', 283), expected);
  }
  const tokens = smallLlama().metadata['tokenizer.ggml.tokens'] as string[];
  await rejects(
    load(withKeys({ 'tokenizer.ggml.tokens': [...tokens, 'more'] })),
    'ModelFormatError',
    /has 261 tokens, tensor 'token_embd.weight' rows for 260/,
  );
});
tensors.run();

const numbers = suite('numbers that are none');
const poison = (file: string, tensor: string, write: (view: DataView, columns: number) => void) => {
  const parts = takeApart(readFileSync(fixture(file)));
  const at = parts.tensors.find((t) => nameOf(t.name) === tensor)!;
  write(
    new DataView(parts.data.buffer, parts.data.byteOffset + Number(at.offset)),
    Number(at.shape[0]),
  );
  return load(putTogether(parts).file);
};
numbers(
  'in floats of each type and in scales of blocks, at load, with the tensor and the row',
  async () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      await rejects(
        poison('llama-f32.gguf', 'blk.1.attn_norm.weight', (v) => v.setFloat32(12, odd, true)),
        'ModelFormatError',
        /'blk.1.attn_norm.weight' holds .* not finite in row 0/,
      );
      await rejects(
        poison('llama-f32.gguf', 'blk.0.attn_k.weight', (v, k) =>
          v.setFloat32(7 * k * 4 - 4, odd, true),
        ),
        'ModelFormatError',
        /'blk.0.attn_k.weight' holds .* in row 6/,
      );
    }
    for (const at of [0, 2, 4, 6]) {
      await rejects(
        poison('llama-f16.gguf', 'blk.0.ffn_up.weight', (v) => v.setUint16(at, 0xfe00, true)),
        'ModelFormatError',
        /'blk.0.ffn_up.weight'/,
      );
      await rejects(
        poison('llama-bf16.gguf', 'blk.0.ffn_up.weight', (v) => v.setUint16(at, 0x7f80, true)),
        'ModelFormatError',
        /'blk.0.ffn_up.weight'/,
      );
    }
    for (const [file, places] of Object.entries({
      q8_0: [0, 34],
      q4_0: [18],
      q4_1: [0, 2],
      q5_0: [22],
      q5_1: [26],
      q4_k: [0, 2, 146],
      q5_k: [2],
      q6_k: [208, 418],
    }))
      for (const at of places)
        await rejects(
          poison(`llama-${file}.gguf`, 'blk.0.ffn_down.weight', (v) =>
            v.setUint16(at, 0x7c00, true),
          ),
          'ModelFormatError',
          /'blk.0.ffn_down.weight' holds/,
        );
    // IQ1_S; and IQ1_M, whose scale lies in the upper bits of its second block's last four fields
    await rejects(
      poison('llama-iq.gguf', 'blk.0.ffn_down.weight', (v) => v.setUint16(50, 0x7c00, true)),
      'ModelFormatError',
      /'blk.0.ffn_down.weight' holds/,
    );
    await rejects(
      poison('llama-iq.gguf', 'blk.0.ffn_up.weight', (v) => {
        v.setUint16(108, 0xc000, true);
        v.setUint16(110, 0x7000, true);
      }),
      'ModelFormatError',
      /'blk.0.ffn_up.weight' holds/,
    );
    await rejects(
      poison('llama3-ropefreqs-f32.gguf', 'rope_freqs.weight', (v) => v.setFloat32(4, -0, true)),
      'ModelFormatError',
      /rope_freqs.*zero/,
    );
  },
);
numbers('largest finite numbers load', () =>
  poison('llama-f32.gguf', 'blk.0.attn_k.weight', (v) => v.setFloat32(0, 3.4e38, true)),
);
numbers.run();

const lengths = suite('lengths that lie');
lengths(
  'a header that names 3 GB reserves nothing, whatever a server says of its length',
  async () => {
    const [D, F] = [4096, 65536];
    const shapes: Record<string, number[]> = {
      'blk.0.ffn_gate.weight': [D, F],
      'blk.0.ffn_up.weight': [D, F],
      'blk.0.ffn_down.weight': [F, D],
    };
    const spec = smallLlama({
      metadata: {
        'llama.embedding_length': D,
        'llama.feed_forward_length': F,
        'llama.attention.key_length': 4,
      },
    });
    let offset = 0;
    const order = [...spec.tensors].sort(
      (a, b) => Number(b.name in shapes) - Number(a.name in shapes),
    );
    const lie = order.map((t): TensorSpec => {
      const shape =
        shapes[t.name] ?? t.shape.map((n) => (n === 8 && !/attn_[qo]/.test(t.name) ? D : n));
      const real = /attn_q\./.test(t.name) ? [D, 8] : /attn_output/.test(t.name) ? [8, D] : shape;
      const at = offset;
      offset += real.reduce<number>((a, b) => a * Number(b), 4);
      return { ...t, shape: real, offset: at, data: new Uint8Array(0) };
    });
    const bytes = writeGguf({ ...spec, tensors: lie });
    const file = new Uint8Array(bytes.length + 3000);
    file.set(bytes);
    assert.ok(offset > 3e9);
    const grow = WebAssembly.Memory.prototype.grow;
    let pages = 0;
    WebAssembly.Memory.prototype.grow = function (count) {
      pages += count;
      return grow.call(this, count);
    };
    try {
      for (const length of [undefined, offset + bytes.length]) {
        const server: Server = createServer((_, response) => {
          response.writeHead(200, length === undefined ? {} : { 'content-length': length });
          response.write(file);
          setTimeout(() => (length === undefined ? response.end() : response.destroy()), 50);
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        let failed: unknown;
        try {
          (
            await loadModel(`http://127.0.0.1:${(server.address() as AddressInfo).port}/lie.gguf`, {
              threads: 1,
              pipeline: 1,
            })
          ).dispose();
        } catch (error) {
          failed = error;
        }
        server.closeAllConnections();
        server.close();
        assert.ok(failed instanceof Error);
        if (length === undefined)
          assert.match(failed.message, /ends inside tensor 'blk.0.ffn_gate.weight'/);
      }
    } finally {
      WebAssembly.Memory.prototype.grow = grow;
    }
    assert.ok(pages < 1024, `${pages / 16} MiB were reserved`);
  },
);
lengths.run();
