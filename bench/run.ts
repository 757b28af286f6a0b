// Runs the benches and prints a line each. The limits are measured in the same run, and so are
// other engines where they are installed.
//
//   npm run bench -- [GROUP ...] [--passes N] [--json FILE] [--docs] [--check FILE]
//   npm run bench -- --device webgpu [--model FILE] [--json FILE]
//   npm run bench -- --compare FILE FILE
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { detectBuild } from '../src/backend/wasm/builds.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { clusters } from './clusters.ts';
import { compareRuns, describeFall, TOLERANCE } from './compare.ts';
import { decoding } from './decoding.ts';
import { engine } from './engine.ts';
import { experts } from './experts.ts';
import { growth } from './growth.ts';
import { kernels } from './kernels.ts';
import { measureLimits } from './limit.ts';
import { packing } from './packing.ts';
import { peerVersions } from './peers/engines.ts';
import { pastContext } from './past-context.ts';
import { policies } from './policies.ts';
import { eightBits } from './eight-bits.ts';
import { products } from './products.ts';
import { recurrent } from './recurrent.ts';
import { type BenchRun, describe, figuresOf, toMarkdown } from './report.ts';
import { rows } from './rows.ts';
import { shapesOfModels } from './shapes.ts';
import { sampling } from './sampling.ts';
import { train } from './train.ts';
import { training } from './training.ts';
import { besideOneAnother, describeDevice } from './webgpu/compare.ts';
import { deviceFacts, webgpu } from './webgpu/group.ts';

/** All groups; `model` is the file that the device's runs. */
const groupsFor = (model?: string): readonly BenchGroup[] => [
  engine,
  products,
  eightBits,
  kernels,
  experts,
  recurrent,
  training,
  train,
  clusters,
  rows,
  decoding,
  policies,
  sampling,
  packing,
  shapesOfModels,
  growth,
  pastContext,
  webgpu(model),
];
/** Passes that a group gets on top where something fell. */
const MOST_AGAIN = 3;
const usage = `usage: npm run bench -- [GROUP ...] [--passes N] [--json FILE] [--docs] [--check FILE]
       npm run bench -- --device webgpu [--model FILE] [--json FILE]
       npm run bench -- --compare FILE FILE
groups: ${groupsFor()
  .map((g) => g.name)
  .join(', ')} (default: all)
  --device webgpu   the WebGPU device alone: its limits, operations, a model
  --model FILE   the model (GGUF) that is measured there. Default: the bundled one
  --compare      show what two files of --json hold beside one another
  --passes N     measure each group N times: what is compared is the best of them. Default 1
  --json FILE    write what was measured
  --docs         write docs/benchmarks.md and its figures from it
  --check FILE   compare ratios (to limits and to other engines) with a run written before; groups
                 with one that fell by more than ${100 * TOLERANCE} % are measured again, up to ${MOST_AGAIN} times;
                 exit code 1 where it stays so`;

/** Says what is wrong with how it was called, and ends. */
function refuse(why: string): never {
  console.error(`${why}\n${usage}`);
  process.exit(2);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        passes: { type: 'string', default: '1' },
        json: { type: 'string' },
        docs: { type: 'boolean' },
        check: { type: 'string' },
        device: { type: 'string' },
        model: { type: 'string' },
        compare: { type: 'boolean' },
      },
    });
  } catch (error) {
    return refuse((error as Error).message);
  }
}

/** Deno and Bun say which Node they are like, too. */
function runtimeName(): string {
  const { deno, bun } = process.versions;
  if (deno) return `Deno ${deno}`;
  return bun ? `Bun ${bun}` : `Node ${process.version}`;
}

const readRun = (file: string): BenchRun => JSON.parse(readFileSync(file, 'utf8')) as BenchRun;

const { values, positionals } = readArguments();
if (values.compare) {
  if (positionals.length !== 2)
    refuse(`--compare was given ${positionals.length} files, expected 2`);
  const [a, b] = positionals.map(readRun);
  console.log(besideOneAnother(a, b));
  process.exit(0);
}
const { device } = values;
if (device !== undefined && device !== 'webgpu')
  refuse(`--device is '${device}', expected 'webgpu'`);
if (device && positionals.length > 0)
  refuse(`--device measures one group, '${positionals[0]}' is another: leave one out`);
const wanted = device ? [device] : positionals;
const groups = groupsFor(values.model);
const unknown = wanted.find((name) => !groups.some((g) => g.name === name));
if (unknown !== undefined) refuse(`no bench '${unknown}'`);
const passes = Number(values.passes);
if (!Number.isInteger(passes) || passes < 1)
  refuse(`--passes is '${values.passes}', expected a whole number from 1`);
const before = values.check === undefined ? undefined : readRun(values.check);

// what was asked for by name has to be there
const facts = device
  ? await deviceFacts(values.model).catch((error: Error) => {
      console.error(`nothing to measure: ${error.message}`);
      process.exit(1);
    })
  : undefined;
const limits = await measureLimits();
let run: BenchRun = {
  machine:
    `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${runtimeName()}, ` +
    `${detectBuild()} kernels`,
  date: new Date().toISOString().slice(0, 10),
  limits,
  peers: device ? {} : peerVersions(),
  ...(facts && { device: facts }),
  groups: [],
};
console.log(
  `${run.machine}\nlimits in this run: register tile ${limits.tileGflops.toFixed(1)} GFLOP/s, ` +
    `memory read ${limits.readGbs.toFixed(1)} GB/s`,
);
if (facts) console.log(describeDevice(facts));
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
