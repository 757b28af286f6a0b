// A model in several files is the model in one, wherever its parts come from and in whatever order;
// a part that is missing, foreign, doubled or cut off is named.
import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkApart } from '../../src/cli/files.ts';
import { textLogits } from '../../src/engine/logits.ts';
import { type LoadOptions, loadModel } from '../../src/engine/model.ts';
import { mergeAdapters } from '../../src/model/adapter/merge.ts';
import { readGguf } from '../../src/model/gguf.ts';
import type { LoadProgress } from '../../src/model/load.ts';
import { openModel } from '../../src/model/parts.ts';
import type { ModelFiles } from '../../src/model/source.ts';
import { loadHalf } from '../../src/split/load.ts';
import { writeTrainedModel } from '../../src/train/model-file.ts';
import { fixture } from '../fixtures.ts';
import { type MetadataValue, smallLlama, type TensorSpec, writeGguf } from '../gguf-writer.ts';
import { rejects } from '../rejects.ts';
import { partName, splitModel } from './split-model.ts';

type Write = (piece: Uint8Array) => Promise<void>;

const u16 = (n: number): MetadataValue => ({
  raw: Uint8Array.from([2, 0, 0, 0, n & 255, n >> 8]),
});
const { metadata, tensors } = smallLlama();

/** Part `no` of three, of which the first has no tensors where `first` is 0. */
function partOf(
  no: number,
  { first = 4, count = tensors.length, all = tensors as readonly TensorSpec[] } = {},
): Uint8Array<ArrayBuffer> {
  const ends = [0, first, 8, all.length];
  const split = { 'split.no': u16(no), 'split.count': u16(3), 'split.tensors.count': count };
  return writeGguf({
    metadata: no === 0 ? { ...metadata, ...split } : split,
    tensors: all.slice(ends[no], ends[no + 1]),
  });
}
const three = (options?: Parameters<typeof partOf>[1]) =>
  [0, 1, 2].map((no) => partOf(no, options));

async function logitsOf(input: ModelFiles, onProgress?: (progress: LoadProgress) => void) {
  using model = await loadModel(input, { threads: 1, retryDelayMs: 1, onProgress });
  return (await textLogits(model, 'the end of it', 3)).top;
}

const parts = suite('parts');

parts('a list in any order, and a first part without tensors, are the whole model', async () => {
  const whole = await logitsOf(writeGguf({ metadata, tensors }));
  for (const [a, b, c] of [three(), three({ first: 0 })]) {
    assert.equal(await logitsOf([a, b, c]), whole);
    assert.equal(await logitsOf([new Blob([c]), a, new Blob([b])]), whole);
  }
});

parts('files are read to where they are wanted, one or several', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-'));
  try {
    const paths = three().map((part, no) => {
      const path = join(folder, partName(no));
      writeFileSync(path, part);
      return path;
    });
    const whole = join(folder, 'whole.gguf');
    writeFileSync(whole, writeGguf({ metadata, tensors }));
    const [, second, third] = paths;
    const mixed = [paths[0], new Blob([readFileSync(second)]), third];
    for (const [input, isRead] of [
      [whole, true],
      [paths[0], true],
      [paths, true],
      [mixed, false],
    ] as const) {
      const source = await openModel(input);
      const { tensors: all } = await readGguf(source);
      assert.is(source.readsInto, isRead);
      if (isRead)
        for (const { offset, byteLength } of [all[0], all.at(-1)!]) {
          const into = new Uint8Array(byteLength);
          const bytes = await source.read(offset, byteLength, into);
          assert.is(bytes.buffer, into.buffer);
          assert.is(bytes.length, byteLength);
        }
      await source.close();
    }
    assert.equal(await logitsOf(paths), await logitsOf(readFileSync(whole)));
    assert.equal(await logitsOf(mixed), await logitsOf(readFileSync(whole)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

parts('threads, workers of a pipeline and halves take parts as they take one file', async () => {
  const file = readFileSync(fixture('llama-f32.gguf'));
  const list = splitModel(file).toReversed();
  const top = async (input: ModelFiles, options: LoadOptions) => {
    using model = await loadModel(input, { device: 'wasm', ...options });
    const { top } = await textLogits(model, 'the end of it', 20);
    return { top, workers: model.executor.layerRanges.length, threads: model.backend.threads };
  };
  for (const options of [
    { threads: 2, pipeline: 1 },
    { threads: 1, pipeline: 2 },
  ] as const) {
    const found = await top(list, options);
    assert.equal(found, await top(file, options));
    assert.is(Math.max(found.workers, found.threads), 2);
  }
  const halfOf = async (input: ModelFiles, side: 'client' | 'server') => {
    const { fingerprint, dispose } = await loadHalf(input, side, { cut: 1, labels: 'server' });
    dispose();
    return fingerprint;
  };
  assert.is(await halfOf(list, 'client'), await halfOf(file, 'server'));
});

parts('what writes a model again joins its parts', async () => {
  const file = readFileSync(fixture('llama-f32.gguf'));
  const name = 'blk.1.ffn_down.weight';
  const weights = new Map([[name, new Float32Array(64 * 128).fill(0.5)]]);
  const adapters = [{ source: fixture('adapters/llama-f32-r4.gguf') }];
  for (const writeModel of [
    (input: ModelFiles, write: Write) => mergeAdapters(input, { adapters, type: 'f16', write }),
    (input: ModelFiles, write: Write) => writeTrainedModel(input, weights, { write }),
  ]) {
    const written = async (input: ModelFiles) => {
      const pieces: Uint8Array[] = [];
      await writeModel(input, async (piece) => void pieces.push(piece.slice()));
      return Buffer.concat(pieces);
    };
    const whole = await written(file);
    assert.not(whole.equals(file));
    assert.ok((await written(splitModel(file))).equals(whole));
  }
});

parts('the other parts are found beside the first, with progress over all', async () => {
  const whole = await logitsOf(writeGguf({ metadata, tensors }));
  const folder = mkdtempSync(join(tmpdir(), 'parts-'));
  try {
    const paths = three().map((bytes, no) => {
      const path = join(folder, partName(no));
      writeFileSync(path, bytes);
      return path;
    });
    const seen: LoadProgress[] = [];
    assert.equal(await logitsOf(paths[0], (progress) => seen.push(progress)), whole);
    const { loadedBytes, totalBytes } = seen.at(-1)!;
    assert.is(loadedBytes, totalBytes);
    assert.is(
      totalBytes,
      tensors.reduce((bytes, { data }) => bytes + data.length, 0),
    );
    assert.equal(await logitsOf([pathToFileURL(paths[0])]), whole);
    assert.equal(await logitsOf([paths[1], paths[2], paths[0]]), whole);
    await rejects(logitsOf(paths[1]), 'OptionError', /part 2 of 3.*name the first/);
    await rejects(
      checkApart([['--out', paths[2]]], [paths[0]]),
      'OptionError',
      /^--out '.*-00003-of-00003.gguf' is what is read/,
    );
    unlinkSync(paths[2]);
    const missing = /part 3 of 3 cannot be opened \(no file at .*: put it/;
    await rejects(logitsOf(paths[0]), 'OptionError', missing);
    await rejects(logitsOf(paths), 'OptionError', /part 3 of 3 cannot be opened .*in the list/);
    writeFileSync(join(folder, 'renamed.gguf'), three()[0]);
    await rejects(
      logitsOf(join(folder, 'renamed.gguf')),
      'OptionError',
      /part 1 of 3.*does not end in -00001-of-00003\.gguf/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

parts('parts that do not belong together are named', async () => {
  const [a, b, c] = three();
  const other = three({ count: 7 });
  await rejects(logitsOf(a), 'OptionError', /part 1 of 3.*pass all 3/);
  await rejects(logitsOf([]), 'OptionError', /empty/);
  await rejects(logitsOf([a]), 'OptionError', /part 1 of 3.*pass all 3/);
  await rejects(logitsOf([a, b]), 'OptionError', /3 parts, and 2 are listed/);
  await rejects(logitsOf([a, c]), 'OptionError', /part 2 is missing/);
  await rejects(logitsOf([a, b, b]), 'OptionError', /both part 2/);
  await rejects(logitsOf([a, b, writeGguf({ metadata, tensors })]), 'OptionError', /no part/);
  await rejects(logitsOf([a, other[1], c]), 'OptionError', /another model.*is 7/);
  await rejects(logitsOf(other), 'ModelFormatError', /11 tensors.*is 7/);
  const doubled = partOf(2, { all: tensors.with(10, tensors[0]) });
  await rejects(logitsOf([a, b, doubled]), 'ModelFormatError', /token_embd.weight' is in/);
  const cut = new File([c.slice(0, -64)], partName(2));
  await rejects(
    logitsOf([new File([a], partName(0)), cut, new File([b], partName(1))]),
    'ModelFormatError',
    /^m-00003-of-00003.gguf: .*cut off/,
  );
  for (const [no, count] of [
    [3, 3],
    [0, 2.5],
  ]) {
    const odd = { ...metadata, 'split.no': u16(no), 'split.count': { f32: count } };
    const work = logitsOf(writeGguf({ metadata: odd, tensors }));
    await rejects(work, 'ModelFormatError', /split.no is . and split.count /);
  }
  const turned = [b, a, c].map((bytes, no) => new File([bytes], partName(no)));
  await rejects(logitsOf(turned), 'OptionError', /part 2 of 3, expected part 1 of 3.*name the/);
  const renamed = [a, c, b].map((bytes, no) => new File([bytes], partName(no)));
  await rejects(logitsOf(renamed), 'OptionError', /part 3 of 3, expected part 2 of 3/);
});

parts.run();
