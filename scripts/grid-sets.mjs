// Writes assembly/weights/grid-sets.ts: which entries the grids of the IQ types have, from the
// tables of llama.cpp's ggml-common.h. Outside CI: with npm's node-llama-cpp@3.22.1, which carries
// llama.cpp's source as a git bundle,
//
//     git clone --bare node_modules/node-llama-cpp/llama/gitRelease.bundle llama.git
//     git -C llama.git show HEAD:ggml/src/ggml-common.h > ggml-common.h
//     node scripts/grid-sets.mjs ggml-common.h
//
// A grid is a list of some thousand of all tuples of 8 or 4 numbers, each one of a few levels. As
// its entries are in ascending order (digits, the lowest first, are levels by number), it is a set:
// a bit for each tuple.
import { readFileSync, writeFileSync } from 'node:fs';

const [path] = process.argv.slice(2);
if (!path) throw new Error('name the ggml-common.h of llama.cpp');
const header = readFileSync(path, 'utf8');

/** Entries of a table as lists of signed bytes. */
function entriesOf(name, size) {
  const begin = header.indexOf(`${name},`);
  const text = header.slice(begin, header.indexOf('GGML_TABLE_END', begin));
  return [...text.matchAll(/0x([0-9a-f]+)/g)].map(([, hex]) => [
    ...new Int8Array(Buffer.from(hex.padStart(2 * size, '0'), 'hex')).reverse(),
  ]);
}

/** The set of a table, a bit a tuple, as 64-bit words. */
function setOf(name, size) {
  const entries = entriesOf(name, size);
  const levels = [...new Set(entries.flat())].sort((a, b) => a - b);
  const numbers = entries.map((entry) =>
    entry.reduceRight((number, level) => number * levels.length + levels.indexOf(level), 0),
  );
  if (numbers.length === 0 || numbers.some((x, i) => i > 0 && x <= numbers[i - 1]))
    throw new Error(`${name} is not there, or its entries are not in ascending order`);
  const words = new BigUint64Array(Math.ceil(levels.length ** size / 64));
  for (const x of numbers) words[x >> 6] |= 1n << BigInt(x & 63);
  return { name: name.replace('_grid', ''), entries: numbers.length, levels, size, words };
}

const written = [
  ['iq2xxs_grid', 8],
  ['iq2xs_grid', 8],
  ['iq2s_grid', 8],
  ['iq3xxs_grid', 4],
  ['iq3s_grid', 4],
  ['iq1s_grid', 8],
].map(([name, size]) => {
  const { entries, levels, words } = setOf(name, size);
  const hex = Array.from(words, (word) => `0x${word.toString(16)}`);
  const lines = [''];
  for (const word of hex) {
    if (lines.at(-1).length + word.length + 2 > 100) lines.push('');
    lines[lines.length - 1] += `${lines.at(-1) ? ' ' : '  '}${word},`;
  }
  return `/** ${entries} entries of ${size} numbers, the levels ${levels.join(' ')}. */
export const ${name.replace('_grid', '').toUpperCase()}: usize = memory.data<u64>([
${lines.join('\n')}
]);
`;
});
writeFileSync(
  new URL('../assembly/weights/grid-sets.ts', import.meta.url),
  `// Written by scripts/grid-sets.mjs from llama.cpp's ggml-common.h (MIT): the entries that the grids
// of the IQ types have, in ascending order. Bit i of a set: there is an entry whose numbers are the
// levels that the digits of i, the lowest first, are numbers of.
${written.join('\n')}`,
);
