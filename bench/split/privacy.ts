// How many tokens of a text a server can guess from the activations that it gets, by cut and by
// bits (docs/split.md, 'What a server can guess').
//
//   node build/js/bench/split/privacy.js [--json FILE] [--docs]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { everything, type Guessed, guessAll } from './guesses.ts';
import { writeTables } from './pages.ts';
import { privacyTables } from './privacy-table.ts';

const { values } = parseArgs({
  options: { json: { type: 'string' }, docs: { type: 'boolean' } },
});

const told = ({ text, cut, coding, attack, share }: Guessed): string =>
  `${text}, cut ${cut}, ${coding}, ${attack}: ${(100 * share.mean).toFixed(1)}% ` +
  `(${(100 * share.low).toFixed(1)} to ${(100 * share.high).toFixed(1)})`;

const run = await guessAll(everything, (one) => console.log(told(one)));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(run, null, 1)}\n`);
if (values.docs) await writeTables('split.md', { guesses: privacyTables(run) });
