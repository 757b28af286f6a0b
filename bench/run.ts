// Runs the benches and prints a line each. The limits are measured in the same run, and so are
// other engines where they are installed.
//
//   npm run bench -- [GROUP ...] [--passes N] [--json FILE] [--docs] [--check FILE]
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { detectBuild } from '../src/backend/wasm/builds.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { clusters } from './clusters.ts';
import { compareRuns, describeFall, TOLERANCE } from './compare.ts';
import { engine } from './engine.ts';
import { growth } from './growth.ts';
import { kernels } from './kernels.ts';
import { measureLimits } from './limit.ts';
import { packing } from './packing.ts';
import { peerVersions } from './peers/engines.ts';
import { policies } from './policies.ts';
import { products } from './products.ts';
import { type BenchRun, describe, figuresOf, toMarkdown } from './report.ts';
import { rows } from './rows.ts';
import { sampling } from './sampling.ts';
import { train } from './train.ts';
import { training } from './training.ts';
import { webgpuProducts } from './webgpu-products.ts';

const groups: readonly BenchGroup[] = [
  engine,
  products,
  kernels,
  training,
  train,
  clusters,
  rows,
  policies,
  sampling,
  packing,
  growth,
  webgpuProducts,
];
/** Passes that a group gets on top where something fell. */
const MOST_AGAIN = 3;
const usage = `usage: npm run bench -- [GROUP ...] [--passes N] [--json FILE] [--docs] [--check FILE]
groups: ${groups.map((g) => g.name).join(', ')} (default: all)
  --passes N     measure each group N times: what is compared is the best of them. Default 1
  --json FILE    write what was measured
  --docs         write docs/benchmarks.md and its figures from it
  --check FILE   compare ratios (to limits and to other engines) with a run written before; groups
                 with one that fell by more than ${100 * TOLERANCE} % are measured again, up to ${MOST_AGAIN} times;
                 exit code 1 where it stays so`;

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        passes: { type: 'string', default: '1' },
        json: { type: 'string' },
        docs: { type: 'boolean' },
        check: { type: 'string' },
      },
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
const passes = Number(values.passes);
if (!Number.isInteger(passes) || passes < 1) {
  console.error(`--passes is '${values.passes}', expected a whole number from 1\n${usage}`);
  process.exit(2);
}
const before =
  values.check === undefined
    ? undefined
    : (JSON.parse(readFileSync(values.check, 'utf8')) as BenchRun);

const limits = await measureLimits();
let run: BenchRun = {
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
/** Measures a group once more; the first pass is the one that is written down in docs. */
async function measure(group: BenchGroup): Promise<void> {
  console.log(`\n${group.name}: ${group.summary}`);
  const measured: Measurement[] = [];
  await group.run((m) => {
    measured.push(m);
    console.log(`  ${describe(m)}`);
  });
  const { name, summary } = group;
  const first = run.groups.find((g) => g.name === name);
  const result = first
    ? { ...first, again: [...(first.again ?? []), measured] }
    : { name, summary, measurements: measured };
  run = { ...run, groups: [...run.groups.filter((g) => g !== first), result] };
}

const chosen = groups.filter((g) => wanted.length === 0 || wanted.includes(g.name));
for (const group of chosen) for (let pass = 0; pass < passes; pass++) await measure(group);
let fallen = before ? compareRuns(before, run) : [];
for (let pass = 0; pass < MOST_AGAIN && fallen.length > 0; pass++) {
  for (const group of chosen.filter((g) => fallen.some((fall) => fall.group === g.name)))
    await measure(group);
  fallen = compareRuns(before!, run);
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
for (const fall of fallen) console.error(describeFall(fall));
process.exit(fallen.length > 0 ? 1 : 0);
