// What llama.cpp makes of the texts of test/model/tokenizer-texts.ts, through node-llama-cpp:
// outside CI, as it needs a binary.
//
//     npm install --prefix /tmp/llama node-llama-cpp@3.22.1
//     node scripts/tokenizer-fixtures.mjs /tmp/llama
//       writes test/fixtures/tokenizers/llama-cpp.json
//     node scripts/tokenizer-fixtures.mjs /tmp/llama FILE[:PRE]...
//       compares: tokens of 4,000 texts, ends of replies; PRE: the file as if its pre-tokenizer had
//       that name ('-': no name); pairs:PRE: the vocabulary of pairs
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readHeader } from '../build/js/src/model/header.js';
import { openSource } from '../build/js/src/model/source.js';
import { createTokenizer } from '../build/js/src/model/tokenizer.js';
import { writeGguf } from '../build/js/test/gguf-writer.js';
import * as texts from '../build/js/test/model/tokenizer-texts.js';

const { hashTokens, pairsMetadata, TEXTS, TEXTS_A_HASH, textOf, tokenizerFiles, tokenizerKinds } =
  texts;
const [folder, ...wanted] = process.argv.slice(2);
if (!folder) throw new Error('name the folder where node-llama-cpp is installed');
const { getLlama, LlamaLogLevel } = await import(
  pathToFileURL(join(resolve(folder), 'node_modules/node-llama-cpp/dist/index.js')).href
);
/** Texts that are compared; fixtures have fewer. */
const COMPARED = 4000;
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.disabled });
const work = mkdtempSync(join(tmpdir(), 'tokenizers-'));

async function headerOf(path) {
  const source = await openSource(path);
  try {
    return await readHeader(source);
  } finally {
    await source.close();
  }
}

/** A copy of a file whose pre-tokenizer has another name, or none. */
async function renamed(path, pre) {
  const bytes = readFileSync(path);
  const key = Buffer.from('tokenizer.ggml.pre');
  const at = bytes.indexOf(key);
  if (at < 0) throw new Error(`${path} names no pre-tokenizer`);
  const value = at + key.length + 4; // behind the type
  const end = value + 8 + Number(bytes.readBigUInt64LE(value));
  const name = Buffer.from(pre === '-' ? 'x' : pre);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(name.length));
  const head = Buffer.from(bytes.subarray(0, value));
  if (pre === '-') head[at] = 'T'.charCodeAt(0); // a key that nobody reads
  // what follows the header is aligned: the change of its length is made up for
  const header = await headerOf(path);
  const changed = Buffer.concat([head, length, name, bytes.subarray(end, header.end)]);
  const padding = Buffer.alloc((32 - (changed.length % 32)) % 32);
  const out = join(work, `${basename(path, '.gguf')}-${pre}.gguf`);
  const data = bytes.subarray(Math.min(bytes.length, Math.ceil(header.end / 32) * 32));
  writeFileSync(out, Buffer.concat([changed, padding, data]));
  return out;
}

const TYPES = 'tokenizer.ggml.token_type';

/** A value of a GGUF key: an array of 32-bit integers. */
function integers(list) {
  const [ARRAY, I32] = [9, 5];
  const value = new DataView(new ArrayBuffer(16 + 4 * list.length));
  value.setUint32(0, ARRAY, true);
  value.setUint32(4, I32, true);
  value.setBigUint64(8, BigInt(list.length), true);
  for (const [i, item] of list.entries()) value.setInt32(16 + 4 * i, item, true);
  return new Uint8Array(value.buffer);
}

/** A file of the vocabulary of pairs. */
function pairsFile(pre) {
  const path = join(work, `pairs-${pre}.gguf`);
  const { [TYPES]: types, ...pairs } = pairsMetadata(pre);
  const metadata = { 'general.architecture': 'llama', ...pairs };
  if (types) metadata[TYPES] = { raw: integers(types) };
  writeFileSync(path, writeGguf({ metadata, tensors: [] }));
  return path;
}

/** What a file says, whatever its weights are. */
const metadataOf = async (path) => (await headerOf(path)).metadata;

/** Calls `use` with llama.cpp's tokens for each text. */
async function eachText(path, specials, count, use, more) {
  const model = await llama.loadModel({ modelPath: path, vocabOnly: true });
  try {
    for (let seed = 0; seed < count; seed++) {
      const text = textOf(seed, specials);
      use(text, [...model.tokenize(text, true)], seed);
    }
    more?.(model);
  } finally {
    await model.dispose();
  }
}

const specialsOf = (metadata) =>
  metadata['tokenizer.ggml.tokens'].filter((_, id) =>
    [3, 4].includes(metadata['tokenizer.ggml.token_type']?.[id]),
  );

try {
  if (wanted.length > 0) {
    for (const name of wanted) {
      const [file, pre] = name.split(':');
      const path = file === 'pairs' ? pairsFile(pre) : pre ? await renamed(file, pre) : file;
      const metadata = await metadataOf(path);
      const tokenizer = createTokenizer(metadata, path);
      const specials = specialsOf(metadata);
      let differ = 0;
      let count = 0;
      const take = (text, tokens) => {
        const ours = tokenizer.encode(text);
        count += tokens.length;
        if (ours.length === tokens.length && ours.every((t, i) => t === tokens[i])) return;
        if (differ++ >= 3) return;
        const at = ours.findIndex((t, i) => t !== tokens[i]);
        const show = (list) =>
          list
            .slice(Math.max(0, at - 2), at + 6)
            .map((t) => JSON.stringify(metadata['tokenizer.ggml.tokens'][t]));
        console.log(
          `  ${JSON.stringify(text).slice(0, 300)}\n    ours ${show(ours)}\n    its  ` +
            `${show(tokens)}`,
        );
      };
      const ends = [];
      await eachText(path, specials, COMPARED, take, (model) => {
        for (const [id, text] of metadata['tokenizer.ggml.tokens'].entries()) {
          if (model.isEogToken(id) !== tokenizer.endTokens.has(id))
            ends.push(`${id} ${JSON.stringify(text)}`);
        }
      });
      console.log(
        `${name}: ${differ} of ${COMPARED} texts differ (${count} tokens), ends that differ: ` +
          `${ends.join(', ') || 'none'}`,
      );
    }
  } else {
    const hashes = {};
    const take = async (name, path, specials) => {
      const words = new Uint32Array(TEXTS / TEXTS_A_HASH);
      await eachText(path, specials, TEXTS, (_, tokens, seed) => {
        const at = Math.floor(seed / TEXTS_A_HASH);
        words[at] = hashTokens(tokens, words[at]);
      });
      hashes[name] = Buffer.from(words.buffer).toString('base64');
      console.log(name);
    };
    for (const file of tokenizerFiles) {
      const path = new URL(`../${file}`, import.meta.url).pathname;
      await take(file, path, specialsOf(await metadataOf(path)));
    }
    for (const pre of tokenizerKinds) await take(`pairs:${pre}`, pairsFile(pre), []);
    writeFileSync(
      new URL('../test/fixtures/tokenizers/llama-cpp.json', import.meta.url),
      `${JSON.stringify(hashes, null, 1)}\n`,
    );
  }
} finally {
  rmSync(work, { recursive: true });
  await llama.dispose();
}
