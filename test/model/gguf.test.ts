// Files that are damaged, lie about themselves or need what we don't have: each is refused with its
// own message, fast and in little memory.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { loadModel, type LoadOptions } from '../../src/engine/model.ts';
import type { ModelInput } from '../../src/model/source.ts';
import { cpuMs } from '../cpu.ts';
import { fixture } from '../fixtures.ts';
import { smallLlama, type TensorSpec, writeGguf } from '../gguf-writer.ts';

const test = suite('GGUF');

async function refused(
  input: ModelInput,
  name: string,
  pattern: RegExp,
  options: LoadOptions = {},
): Promise<void> {
  const begin = cpuMs();
  const before = process.memoryUsage().rss;
  try {
    const model = await loadModel(input, options);
    model.dispose();
  } catch (error) {
    assert.is((error as Error).name, name, (error as Error).stack);
    assert.match((error as Error).message, pattern);
    assert.ok(cpuMs() - begin < 5000, 'it took too long');
    assert.ok(process.memoryUsage().rss - before < 256e6, 'it took too much memory');
    return;
  }
  assert.unreachable('it was accepted');
}

const change = (name: string, patch: Partial<TensorSpec>) => (tensors: TensorSpec[]) =>
  tensors.map((t) => (t.name === name ? { ...t, ...patch } : t));
const whole = writeGguf(smallLlama());

test('the small model itself loads, from bytes, a Blob, a URL and a path', async () => {
  const server = createServer((_, response) => response.end(Buffer.from(whole)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    for (const input of [
      whole,
      whole.buffer,
      new Blob([whole]),
      `http://127.0.0.1:${port}/small.gguf`,
    ]) {
      using model = await loadModel(input);
      assert.is(model.config.width, 8);
    }
    using model = await loadModel(fixture('llama-f32.gguf'));
    assert.is(model.config.architecture, 'llama');
  } finally {
    server.close();
  }
});

test('no GGUF file', async () => {
  await refused(
    writeGguf({ ...smallLlama(), magic: 'GGML' }),
    'ModelFormatError',
    /begins with the bytes '47 47 4d 4c'.*47 47 55 46/,
  );
  await refused(new Uint8Array(0), 'ModelFormatError', /begins with the bytes ''/);
  await refused(
    new TextEncoder().encode('<!doctype html><html></html>'),
    'ModelFormatError',
    /GGUF/,
  );
  await refused(whole.slice(0, 10), 'ModelFormatError', /10 bytes/);
});
test('a version we do not read', async () => {
  await refused(
    writeGguf({ ...smallLlama(), version: 1 }),
    'UnsupportedError',
    /version 1.*2 and 3/,
  );
  await refused(
    writeGguf({ ...smallLlama(), version: 0x03000000 }),
    'UnsupportedError',
    /big-endian/,
  );
});
test('cut off anywhere', async () => {
  for (const share of [0.01, 0.1, 0.3, 0.5, 0.9, 0.999]) {
    await refused(
      whole.slice(0, Math.floor(whole.length * share)),
      'ModelFormatError',
      /damaged|cut off/,
    );
  }
  const trained = readFileSync(fixture('llama-q8_0.gguf'));
  await refused(trained.subarray(0, trained.length >> 1), 'ModelFormatError', /damaged|cut off/);
});
test('counts that lie', async () => {
  await refused(
    writeGguf({ ...smallLlama(), tensorCount: 2n ** 40n }),
    'ModelFormatError',
    /1099511627776 tensors.*more than its/,
  );
  await refused(
    writeGguf({ ...smallLlama(), keyCount: 2n ** 63n }),
    'ModelFormatError',
    /keys.*more than its/,
  );
  await refused(writeGguf({ ...smallLlama(), tensorCount: 12n }), 'ModelFormatError', /damaged/);
  await refused(writeGguf({ ...smallLlama(), keyCount: 19n }), 'ModelFormatError', /damaged/);
});
test('lengths inside the header that lie', async () => {
  const u32 = (n: number) => [n & 255, (n >> 8) & 255, (n >> 16) & 255, n >>> 24];
  // a string of 2^56 bytes
  const text = { raw: Uint8Array.from([...u32(8), 255, 255, 255, 255, 255, 255, 255, 0]) };
  // 2^40 numbers
  const array = { raw: Uint8Array.from([...u32(9), ...u32(4), 0, 0, 0, 0, 0, 1, 0, 0]) };
  const nested = {
    raw: Uint8Array.from([
      ...u32(9),
      ...Array.from({ length: 2000 }, () => [...u32(9), 1, 0, 0, 0, 0, 0, 0, 0]).flat(),
    ]),
  };
  const unknown = { raw: Uint8Array.from(u32(77)) };
  for (const [name, value] of Object.entries({ text, array, nested, unknown })) {
    await refused(
      writeGguf(smallLlama({ metadata: { 'general.author': value } })),
      'ModelFormatError',
      /damaged/,
    ).catch((e: Error) => {
      throw new Error(`${name}: ${e.message}`);
    });
  }
});
test('tensors that overlap, lie outside, or are listed twice', async () => {
  await refused(
    writeGguf(smallLlama({ tensors: change('output_norm.weight', { offset: 0 }) })),
    'ModelFormatError',
    /'token_embd.weight' and 'output_norm.weight' overlap|overlap/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('output_norm.weight', { offset: 2 ** 40 }) })),
    'ModelFormatError',
    /'output_norm.weight' ends at byte/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('output_norm.weight', { offset: 2n ** 64n - 32n }) })),
    'ModelFormatError',
    /'output_norm.weight' (ends|begins)/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('output_norm.weight', { offset: 8321 }) })),
    'ModelFormatError',
    /not a multiple of 32/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('output_norm.weight', { name: 'token_embd.weight' }) })),
    'ModelFormatError',
    /listed twice/,
  );
});
test('absurd dimensions', async () => {
  await refused(
    writeGguf(
      smallLlama({ tensors: change('token_embd.weight', { shape: [2n ** 62n, 2n ** 62n] }) }),
    ),
    'ModelFormatError',
    /shape|damaged/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('token_embd.weight', { shape: [8, 0] }) })),
    'ModelFormatError',
    /shape \[8,0\]/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('token_embd.weight', { shape: [8, 2 ** 30] }) })),
    'ModelFormatError',
    /ends at byte/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('token_embd.weight', { shape: [8, 1, 2, 5] }) })),
    'UnsupportedError',
    /4 dimensions/,
  );
  // three are a matrix of each expert, which nobody has here
  await refused(
    writeGguf(smallLlama({ tensors: change('blk.0.ffn_gate.weight', { shape: [8, 4, 4] }) })),
    'ModelFormatError',
    /ffn_gate.weight' is \[4, 4, 8\], the metadata imply \[16, 8\]/,
  );
  await refused(
    writeGguf(
      smallLlama({ tensors: change('token_embd.weight', { shape: [8, 2 ** 20, 2 ** 20] }) }),
    ),
    'ModelFormatError',
    /1099511627776 rows, 2147483647 at most/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.block_count': 4_000_000_000 } })),
    'ModelFormatError',
    /block_count' is 4000000000/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.context_length': 0 } })),
    'ModelFormatError',
    /context_length' is 0/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.attention.head_count': 3 } })),
    'ModelFormatError',
    /imply|cannot share|rotated/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.embedding_length': 'wide' } })),
    'ModelFormatError',
    /embedding_length' is string/,
  );
});
test('tensors that are missing, misshapen, or more than the model has', async () => {
  await refused(
    writeGguf(
      smallLlama({ tensors: (all) => all.filter((t) => t.name !== 'blk.0.ffn_up.weight') }),
    ),
    'ModelFormatError',
    /'blk.0.ffn_up.weight' is missing/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.feed_forward_length': 24 } })),
    'ModelFormatError',
    /'blk.0.ffn_gate.weight' is \[16, 8\].*\[24, 8\]/,
  );
  await refused(
    writeGguf(
      smallLlama({ tensors: change('blk.0.ffn_up.weight', { name: 'blk.0.ffn_up_exps.weight' }) }),
    ),
    'UnsupportedError',
    /ffn_up_exps.*not part of a llama/,
  );
});
test('an architecture or a type that we do not run', async () => {
  await refused(
    writeGguf(smallLlama({ metadata: { 'general.architecture': 'mamba' } })),
    'UnsupportedError',
    /'mamba'.*llama, qwen2, qwen3/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'general.architecture': undefined } })),
    'UnsupportedError',
    /architecture/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('token_embd.weight', { type: 4 }) })),
    'UnsupportedError',
    /'token_embd.weight' has type Q4_2.*Q4_K/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('token_embd.weight', { type: 9999 }) })),
    'UnsupportedError',
    /type number 9999/,
  );
  await refused(
    writeGguf(smallLlama({ tensors: change('token_embd.weight', { type: 8 }) })),
    'ModelFormatError',
    /8 columns, Q8_0 needs a multiple of 32/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.expert_count': 8 } })),
    'UnsupportedError',
    /mixture of experts/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'llama.rope.scaling.type': 'dynamic' } })),
    'UnsupportedError',
    /'dynamic'/,
  );
});
test('token numbers that do not fit', async () => {
  await refused(
    writeGguf(smallLlama({ metadata: { 'tokenizer.ggml.eos_token_id': 4000 } })),
    'ModelFormatError',
    /eos_token_id is 4000/,
  );
  await refused(
    writeGguf(smallLlama({ metadata: { 'tokenizer.ggml.tokens': undefined } })),
    'ModelFormatError',
    /vocab_size|tokens/,
  );
});
test('bytes changed at random never crash, hang or eat memory', async () => {
  let seed = 7;
  const next = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 150; round++) {
    const bytes = whole.slice();
    for (let i = 0; i < 1 + next(6); i++) bytes[next(6000)] = next(256);
    const begin = cpuMs();
    try {
      (await loadModel(bytes)).dispose();
    } catch (error) {
      assert.ok(
        /^(ModelFormatError|UnsupportedError)$/.test((error as Error).name),
        `round ${round}: ${(error as Error).stack}`,
      );
    }
    assert.ok(cpuMs() - begin < 5000, `round ${round} took too long`);
  }
});
test('what is no model', async () => {
  await refused('/no/such/model.gguf', 'OptionError', /no file at '\/no\/such\/model.gguf'/);
  await refused(fixture(''), 'OptionError', /folder/);
  await refused(42 as never, 'OptionError', /found number/);
  const server = createServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await refused(
    `http://127.0.0.1:${(server.address() as AddressInfo).port}/x.gguf`,
    'OptionError',
    /404 Not Found: there is no such file/,
  );
  server.close();
});
test('an aborted load rejects with the reason and frees everything', async () => {
  const backend = createWasmBackend();
  const reason = new Error('enough');
  const abort = new AbortController();
  const load = loadModel(fixture('llama-f16.gguf'), {
    device: backend,
    signal: abort.signal,
    onProgress: ({ loadedBytes, totalBytes }) => {
      if (loadedBytes > totalBytes / 2) abort.abort(reason);
    },
  });
  try {
    await load;
    assert.unreachable();
  } catch (error) {
    assert.is(error, reason);
  }
  assert.is(backend.arena.usedBytes, 0);
  await refused(fixture('llama-f16.gguf'), 'AbortError', /abort/, { signal: AbortSignal.abort() });
});
test('a model that was disposed of leaves nothing', async () => {
  const backend = createWasmBackend();
  const model = await loadModel(fixture('qwen3-f32.gguf'), { device: backend });
  assert.ok(backend.arena.usedBytes > 500_000);
  model.dispose();
  model.dispose();
  assert.is(backend.arena.usedBytes, 0);
});
test.run();
