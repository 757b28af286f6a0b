// What codecs cost a training: fine-tuning tasks with the bundled model and with the one with
// outlier channels, every codec at the same bits (docs/split-accuracy.md).
//
//   node build/js/bench/split/tasks.js [--seeds N] [--bits 4,3] [--parts P,P] [--json FILE] [--docs]
//
// What FILE has already is not made again.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { writeTables } from './pages.ts';
import {
  compare,
  type Comparison,
  entries,
  longCourses,
  modelNames,
  movedEntries,
  type Trial,
  variants,
} from './comparison.ts';
import { courses } from './task-lines.ts';
import { tablesOf } from './tasks-table.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5' },
    bits: { type: 'string', default: '4,3' },
    json: { type: 'string' },
    docs: { type: 'boolean' },
    parts: { type: 'string', default: 'codecs,moved,variants' },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const bits = values.bits.split(',').map(Number);
const { 'new facts': facts, 'a classifier': classifier } = courses;
const models = ['bundled'] as const;
const ranged = entries.filter(({ name }) => name === 'channel');
const parts: readonly Comparison[] = [
  { part: 'codecs', courses, models: modelNames, entries, bits, seeds },
  // what fixed bits give for about the bytes that learned ones take, their first half with more
  { part: 'codecs', courses, models: modelNames, entries: ranged, bits: [5], seeds },
  { part: 'moved', courses: longCourses, models, entries: movedEntries, bits: [4], seeds },
  {
    ...{ part: 'variants', courses: { 'new facts': facts, 'a classifier': classifier } },
    ...{ models: ['turned'], entries: variants, bits: [3], seeds },
  },
];

const file = values.json;
const trials: Trial[] =
  file !== undefined && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
const mean = (x: readonly number[]) => x.reduce((sum, v) => sum + v, 0) / x.length;

const wanted = values.parts.split(',');
for (const part of parts.filter(({ part: name }) => wanted.includes(name)))
  await compare(part, trials, (trial) => {
    trials.push(trial);
    const { model, task, codec, bits: b, seed, whole, split } = trial;
    const shares = [whole, split].map(({ right }) => `${(100 * mean(right)).toFixed(0)}%`);
    console.log(`${seed}: ${model}, ${task}, ${codec} ${b}: ${shares.join(', ')} of lines right`);
    if (file !== undefined) writeFileSync(file, JSON.stringify(trials));
  });
const tables = tablesOf(trials);
for (const [name, table] of Object.entries(tables)) console.log(`\n${name}\n\n${table}`);
if (values.docs) await writeTables('split-accuracy.md', tables);
