// Runs the benches and prints a line each. The limits are measured in the same run, and so are
// other engines where they are installed.
//
//   npm run bench -- [GROUP ...] [--json FILE] [--docs] [--check FILE]
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { detectBuild } from '../src/backend/wasm/builds.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { clusters } from './clusters.ts';
import { engine } from './engine.ts';
import { growth } from './growth.ts';
import { kernels } from './kernels.ts';
import { measureLimits } from './limit.ts';
import { peerVersions } from './peers/engines.ts';
import { policies } from './policies.ts';
import { products } from './products.ts';
import { type BenchRun, compareRuns, describe, figuresOf, toMarkdown } from './report.ts';
import { rows } from './rows.ts';
import { sampling } from './sampling.ts';

const groups: readonly BenchGroup[] = [
  engine,
  products,
  kernels,
  clusters,
  rows,
  policies,
  sampling,
  growth,
];
const usage = `usage: npm run bench -- [GROUP ...] [--json FILE] [--docs] [--check FILE]
groups: ${groups.map((g) => g.name).join(', ')} (default: all)
  --json FILE    write what was measured
  --docs         write docs/benchmarks.md and its figures from it
  --check FILE   compare ratios (to limits and to other engines) with a run written before; exit code 1 where one fell by more than a fifth`;

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, docs: { type: 'boolean' }, check: { type: 'string' } },
    });
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}
const { values, positionals: wanted } = readArguments();
const unknown = wanted.find((name) => !groups.some((g) => g.name === name));
if (unknown !== undefined) {
  console.error(`no bench '${unknown}'\n${usage}`);
  process.exit(2);
}
const before =
  values.check === undefined
    ? undefined
    : (JSON.parse(readFileSync(values.check, 'utf8')) as BenchRun);

const limits = await measureLimits();
const run: BenchRun = {
  machine:
    `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}, ` +
    `${detectBuild()} kernels`,
  date: new Date().toISOString().slice(0, 10),
  limits,
  peers: peerVersions(),
  groups: [],
};
console.log(
  `${run.machine}\nlimits in this run: register tile ${limits.tileGflops.toFixed(1)} GFLOP/s, ` +
    `memory read ${limits.readGbs.toFixed(1)} GB/s`,
);
for (const group of groups.filter((g) => wanted.length === 0 || wanted.includes(g.name))) {
  console.log(`\n${group.name}: ${group.summary}`);
  const measured: Measurement[] = [];
  await group.run((m) => {
    measured.push(m);
    console.log(`  ${describe(m)}`);
  });
  run.groups.push({ name: group.name, summary: group.summary, measurements: measured });
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(run, null, 1)}\n`);
if (values.docs) {
  const docs = new URL('../../../docs/', import.meta.url);
  const page = fileURLToPath(new URL('benchmarks.md', docs));
  writeFileSync(
    page,
    await format(toMarkdown(run), { ...(await resolveConfig(page)), parser: 'markdown' }),
  );
  for (const [name, svg] of Object.entries(figuresOf(run)))
    writeFileSync(fileURLToPath(new URL(`figures/${name}.svg`, docs)), svg);
}
const fallen = before ? compareRuns(before, run) : [];
for (const line of fallen) console.error(line);
process.exit(fallen.length > 0 ? 1 : 0);
