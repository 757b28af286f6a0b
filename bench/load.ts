// Loading a model of 340 MB (Qwen3-0.6B's shape, Q4_K) and a conversation on it, each time in a
// process of its own, beside another checkout that was built: its time and its memory at its
// fullest, in turn, so that a shared machine slows down both.
//
//   node build/js/bench/load.js [--beside FOLDER] [--rounds N] [--threads N]
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { randomQwen3 } from './random-model.ts';

interface Load {
  readonly ms: number;
  /** Of all threads of the process. */
  readonly cpuMs: number;
  /** Before loading, and the most there was, in bytes. */
  readonly before: number;
  readonly peak: number;
  readonly promised: number;
}

const CODE = `
  const [folder, path, threads] = process.argv.slice(1);
  const { loadModel, openConversation } = await import(folder + '/build/js/src/index.js');
  const rss = () => process.resourceUsage().maxRSS * 1024;
  const before = rss();
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const model = await loadModel(path, { threads: Number(threads), device: 'wasm' });
  const ms = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  const conversation = openConversation(model, { budget: 128, blockSize: 64, policy: 'snapkv' });
  await conversation.add('abcdefghijklmnopqrs'.repeat(14));
  const { promisedBytes: promised } = conversation.memory;
  console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1000, before, peak: rss(), promised }));
  process.exit(0);`;

const { values } = parseArgs({
  options: {
    beside: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
  },
});
const path = randomQwen3();
const file = statSync(path).size;
const own = fileURLToPath(new URL('../../..', import.meta.url));
const folders = [own, ...(values.beside === undefined ? [] : [resolve(values.beside)])];
const found = folders.map((): Load[] => []);
for (let round = 0; round < Number(values.rounds); round++)
  for (const [i, folder] of folders.entries()) {
    const args = ['--input-type=module', '-e', CODE, pathToFileURL(folder).href, path];
    const output = execFileSync(process.execPath, [...args, values.threads], { encoding: 'utf8' });
    found[i].push(JSON.parse(output) as Load);
  }
const least = (loads: readonly Load[], of: (load: Load) => number) => Math.min(...loads.map(of));
for (const [i, loads] of found.entries()) {
  const grown = least(loads, (l) => (l.peak - l.before) / (file + l.promised));
  const whole = least(loads, (l) => l.peak / (file + l.promised));
  console.log(
    `${folders[i]}: ${least(loads, (l) => l.ms).toFixed(0)} ms, ` +
      `${least(loads, (l) => l.cpuMs).toFixed(0)} ms of CPU; with a conversation the process ` +
      `grew by ${grown.toFixed(2)} x file and promise, and was ${whole.toFixed(2)} x`,
  );
}
const [now, before] = found.map((loads) => least(loads, (l) => l.ms));
if (before !== undefined) console.log(`${(before / now).toFixed(2)} x the rate`);
