// npm run fuzz -- --files 100000 --seed 1: mutated model files (files.ts). --only N runs one,
// --save PATH writes it too,
// --runaways takes chat templates that loop without end.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fileOf, fuzz } from './files.ts';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    only: { type: 'string' },
    save: { type: 'string' },
    runaways: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const [first, count] =
  values.only === undefined
    ? [Number(values.first), Number(values.files)]
    : [Number(values.only), 1];
if (values.save) writeFileSync(values.save, fileOf(seed, first, values.runaways).bytes);
const begin = performance.now();
const outcome = await fuzz(
  seed,
  first,
  count,
  (file) => {
    const done = file - first + 1;
    if (done % 1000 === 0)
      console.log(
        `${done} files, ${Math.round((performance.now() - begin) / 1000)} s, ${Math.round(process.memoryUsage.rss() / 1e6)} MB`,
      );
  },
  values.runaways,
);
for (const { file, base, what } of outcome.findings)
  console.log(`file ${file} (of ${base}): ${what}\n`);
const { loaded, answered, errors, slowestMs, mostBytes } = outcome;
console.log(
  `${count} files: ${loaded} loaded, ${answered} answered, ${JSON.stringify(errors)}; slowest ${Math.round(slowestMs)} ms, most memory ${Math.round(mostBytes / 1e6)} MB; ${outcome.findings.length} findings`,
);
process.exitCode = outcome.findings.length > 0 ? 1 : 0;
