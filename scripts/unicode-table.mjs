// Writes src/model/tokenizer/unicode-table.ts: the class of every code point beyond ASCII, from the
// General_Category files of npm's
// @unicode/unicode-15.1.0, whose version llama.cpp's tables have. Outside CI: `npm install --prefix
// /tmp/unicode @unicode/unicode-15.1.0`,
// then `node scripts/unicode-table.mjs /tmp/unicode`.
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = resolve(process.argv[2] ?? '.');
const load = (part) =>
  import(join(folder, 'node_modules/@unicode/unicode-15.1.0', part, 'code-points.mjs'));
const points = async (part) => (await load(part)).default;

const LAST = 0x10ffff;
const FIRST = 0x80;
const WHITE = 'W'; // White_Space wins over the category
const categories = { N: 'Number', L: 'Letter', P: 'Punctuation', M: 'Mark', S: 'Symbol' };
const classes = new Array(LAST + 1).fill('O');
for (const [letter, name] of Object.entries(categories)) {
  for (const c of await points(`General_Category/${name}`)) classes[c] = letter;
}
for (const c of await points('Binary_Property/White_Space')) classes[c] = WHITE;

let runs = '';
let begin = FIRST - 1;
for (let c = FIRST; c <= LAST; c++) {
  if (c > FIRST && classes[c] === classes[c - 1]) continue;
  runs += (c - begin === 1 ? '' : (c - begin).toString(36)) + classes[c];
  begin = c;
}
const WIDTH = 90;
const lines = runs.match(new RegExp(`.{1,${WIDTH}}`, 'g')).map((line) => `  '${line}'`);
writeFileSync(
  new URL('../src/model/tokenizer/unicode-table.ts', import.meta.url),
  `// Written by scripts/unicode-table.mjs from Unicode 15.1: how many code points after the last one a run begins (base 36, none for 1)
// and its class: Letter, Number, Punctuation, Mark, Symbol, White space, Other. The first run is
// counted from U+007F.
export const unicodeRuns =
${lines.join(' +\n')};
`,
);
