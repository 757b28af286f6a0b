// The engine in every runtime that can be had, on one file, in turn, each time in a process of its
// own: rates beside those of the Node that runs this. Deno and Bun come from npm's registry.
//
//   node build/js/bench/runtimes.js [--threads N] [--rounds N] [--model FILE] [--node VERSION]
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { chromiumArguments, chromiumPath, packageImports, servePage } from '../test/browser.ts';
import { randomModel } from './random-model.ts';
import { bestOf, type EngineRate, type EngineTask } from './task.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const program = fileURLToPath(new URL('rate.js', import.meta.url));

const PAGE = `<!doctype html><title>recollect</title>
<script type="importmap">${JSON.stringify({ imports: packageImports })}</script>
<script type="module">
import { rateOf } from '/build/js/bench/rate.js';
globalThis.rate = (task) => rateOf({ ...task, path: location.origin + '/model.gguf' });
</script>`;

/** A program that runs JavaScript files. */
function inProcess(file: string, before: readonly string[], task: EngineTask): EngineRate {
  const { path, threads, prompt, reply } = task;
  const numbers = [threads, prompt, reply].map(String);
  const output = execFileSync(file, [...before, program, path, ...numbers], { encoding: 'utf8' });
  return JSON.parse(output.trim().split('\n').at(-1)!) as EngineRate;
}

async function inChromium(task: EngineTask): Promise<EngineRate> {
  const fileOf = (path: string) => (path === '/model.gguf' ? task.path : join(root, path));
  const server = await servePage(PAGE, fileOf, true);
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: chromiumArguments,
  });
  try {
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.waitForFunction('globalThis.rate');
    return await page.evaluate(
      (given) =>
        (globalThis as unknown as { rate(task: EngineTask): Promise<EngineRate> }).rate(given),
      task,
    );
  } finally {
    await browser.close();
    await server.close();
  }
}

type Runtime = (task: EngineTask) => EngineRate | Promise<EngineRate>;

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
    model: { type: 'string' },
    node: { type: 'string' },
  },
});
const runtimes: Record<string, Runtime> = {
  [`Node ${process.version}`]: (task) => inProcess(process.execPath, [], task),
  ...(values.node !== undefined && {
    [`Node ${values.node}`]: (task) => inProcess('npx', ['-y', `node@${values.node}`], task),
  }),
  Deno: (task) => inProcess('npx', ['-y', 'deno', 'run', '-A'], task),
  Bun: (task) => inProcess('npx', ['-y', 'bun'], task),
  ...(chromiumPath !== undefined && { Chromium: inChromium }),
};
const task = {
  path: values.model ?? randomModel(),
  threads: Number(values.threads),
  prompt: 512,
  reply: 64,
};
const rates = Object.keys(runtimes).map((): EngineRate[] => []);
for (let round = 0; round < Number(values.rounds); round++)
  for (const [i, run] of Object.values(runtimes).entries()) rates[i].push(await run(task));
const [first, ...rest] = rates.map(bestOf);
for (const [i, { prefill, decode }] of [first, ...rest].entries()) {
  const beside = [prefill / first.prefill, decode / first.decode].map((x) => x.toFixed(2));
  console.log(
    `${Object.keys(runtimes)[i].padEnd(16)} prefill ${prefill.toFixed(1)}, decode ` +
      `${decode.toFixed(1)} tokens/s, ${beside.join(' and ')} times the first`,
  );
}
