// The package in whatever runtime runs this file (.ci/run: Deno and Bun), alone, with threads, with
// layers in workers, and on a device; and a client of a split training, whose server is Node. The
// core is tested elsewhere.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadModel, type LoadOptions, openConversation } from '../../src/index.ts';
import { openTestDevice } from '../gpu.ts';
import { startServer } from './split-server.ts';
import { trainedSplit } from './split-training.ts';

const model = fileURLToPath(new URL('../../../../models/recollect-tiny.gguf', import.meta.url));
const said =
  "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n";
const ways: Record<string, LoadOptions> = {
  alone: { threads: 1 },
  'two threads': { threads: 2 },
  'a pipeline of two workers': { pipeline: 2 },
};

/** What a whole training gives on Node. */
const WHOLE = `import(process.argv[1]).then(async ({ trainedWhole }) =>
  process.stdout.write(await trainedWhole(process.argv[2])))`;

async function converse(options: LoadOptions): Promise<void> {
  using loaded = await loadModel(model, options);
  await using conversation = openConversation(loaded, { budget: 128, policy: 'snapkv' });
  await conversation.add(said.repeat(20));
  const reply = await conversation.ask("What is Ana's dog called?").text();
  const { threads, pipeline } = conversation.statistics;
  if (
    reply.trim() !== 'Rex' ||
    threads !== (options.threads ?? 1) ||
    pipeline !== (options.pipeline ?? 1)
  )
    throw new Error(`replied '${reply}' with ${threads} threads, ${pipeline} workers`);
}

/** What a device answers, in software where there is no other. */
async function converseOnDevice(): Promise<void> {
  const opened = await openTestDevice();
  if ('reason' in opened) {
    console.log(`skipped: a device (${opened.reason})`);
    return;
  }
  opened.backend.dispose();
  using loaded = await loadModel(model, { device: 'webgpu' });
  const options = { budget: 128, policy: 'snapkv', blockSize: 64 } as const;
  await using conversation = openConversation(loaded, options);
  await conversation.add(said.repeat(8));
  const reply = await conversation.ask("What is Ana's dog called?", { maxTokens: 8 }).text();
  const { name } = loaded.backend;
  if (reply.trim() !== 'Rex' || name !== 'webgpu') throw new Error(`replied '${reply}' on ${name}`);
}

async function trainSplit(): Promise<void> {
  const training = fileURLToPath(new URL('split-training.js', import.meta.url));
  const expected = execFileSync('node', ['-e', WHOLE, training, model], { encoding: 'utf8' });
  const server = await startServer(model);
  try {
    const found = await trainedSplit(model, server.url);
    if (found !== expected) throw new Error(`trained ${found}, expected ${expected}`);
  } finally {
    server.close();
  }
}

const checks: Record<string, () => Promise<void>> = {
  ...Object.fromEntries(
    Object.entries(ways).map(([name, options]) => [name, () => converse(options)]),
  ),
  'half a model, the rest on Node': trainSplit,
  'on a device': converseOnDevice,
};

let passed = 0;
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    passed++;
  } catch (error) {
    failed++;
    console.error(`FAIL ${name}: ${(error as Error).stack}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
