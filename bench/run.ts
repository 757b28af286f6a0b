// Runs the benches and prints a line each: `npm run bench [-- GROUP ...]`. The limits are measured in the same run.
import { cpus } from 'node:os';
import { detectBuild } from '../src/backend/wasm/core.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { engine } from './engine.ts';
import { growth } from './growth.ts';
import { kernels } from './kernels.ts';
import { measureLimits } from './limit.ts';
import { policies } from './policies.ts';

const groups: readonly BenchGroup[] = [kernels, engine, policies, growth];
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !groups.some((g) => g.name === name));
if (unknown !== undefined) {
  console.error(`no bench '${unknown}'; there are ${groups.map((g) => g.name).join(', ')}`);
  process.exit(2);
}
const limits = await measureLimits();
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${detectBuild()} kernels, 1 thread`);
console.log(`limits in this run: register tile ${limits.tileGflops.toFixed(1)} GFLOP/s, memory read ${limits.readGbs.toFixed(1)} GB/s`);
const show = (m: Measurement) => {
  const share = m.share === undefined ? '' : `${(100 * m.share).toFixed(0)}% of ${m.limit}`;
  console.log(`  ${m.name.padEnd(40)} ${m.rate.toFixed(m.rate < 10 ? 2 : 1).padStart(9)} ${m.unit.padEnd(9)} ${[share, m.note].filter(Boolean).join('; ')}`);
};
for (const group of groups.filter((g) => wanted.length === 0 || wanted.includes(g.name))) {
  console.log(`\n${group.name}: ${group.summary}`);
  await group.run(limits, show);
}
