// Hashes of everything that is computed, to be compared between two commits: log-odds of models,
// and log-odds and kept rows after eviction, for every policy, type of rows, build, number of
// threads and of workers. What they say is not whether numbers are right, but whether they are the
// same.
//
//     node scripts/setup.mjs && node scripts/bits.mjs OUT.json [FOLDER OF MODELS ...]
//     node scripts/bits.mjs --compare BEFORE.json AFTER.json
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const built = (path) => import(new URL(`../build/js/${path}.js`, import.meta.url));

if (process.argv[2] === '--compare') {
  const [before, after] = process.argv.slice(3).map((f) => JSON.parse(readFileSync(f, 'utf8')));
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const other = names.filter((name) => before[name] !== after[name]);
  for (const name of other)
    console.log(`${name}: ${before[name] ?? 'missing'} -> ${after[name] ?? 'missing'}`);
  console.log(`${names.length - other.length} equal, ${other.length} differ`);
  process.exit(other.length > 0 ? 1 : 0);
}

const [out, ...folders] = process.argv.slice(2);
if (!out) {
  console.error('usage: node scripts/bits.mjs OUT.json [FOLDER OF MODELS ...]');
  process.exit(2);
}

const { loadModel } = await built('src/engine/model');
const { planRun } = await built('src/engine/plan');
const { Run } = await built('src/engine/run');
const { prefill } = await built('src/engine/prefill');
const { policies } = await built('src/policy/registry');
const { rowTypeNames } = await built('src/backend/dtype');
const { planOptions } = await built('test/plan-options');
const { machineModel } = await built('test/machine');
const { createRandom } = await built('src/math/rng');

const hashes = {};
const bytesOf = (numbers) => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);

/** Hash of log-odds after each block, of what every layer kept, and of some tokens one by one. */
async function hashRun(model, tokens, options, singles = 4) {
  const hash = createHash('sha256');
  const run = new Run(model.executor, planRun(model.executor, options));
  const kept = new Map();
  try {
    if (model.executor.layerRanges.length === 1)
      run.layers.onKept = (layer, heads) =>
        kept.set(layer, heads.map((h) => [...h].join()).join(';'));
    await prefill(run, tokens.slice(0, -singles));
    for (const token of tokens.slice(-singles)) {
      await run.append([token]);
      hash.update(bytesOf(await run.logits(0)));
    }
    for (const layer of [...kept.keys()].sort((a, b) => a - b)) hash.update(kept.get(layer));
  } finally {
    run.dispose();
  }
  return hash.digest('hex').slice(0, 16);
}

async function note(name, work) {
  try {
    hashes[name] = await work();
  } catch (error) {
    hashes[name] = error.name; // a model that is not supported, say
  }
}

async function withModel(input, load, work) {
  const model = await loadModel(input, load);
  try {
    return await work(model);
  } finally {
    model.dispose();
  }
}

function drawn(count, vocabulary) {
  const random = createRandom(11);
  return Array.from({ length: count }, () => Math.floor(random() * vocabulary));
}
const full = (tokens, blockSize) => planOptions('full', { budget: { tokens }, blockSize });

// 1. models: a whole block, odd blocks, tokens one by one
const bundled = new URL('../models/recollect-tiny.gguf', import.meta.url).pathname;
const files = [bundled];
for (const folder of folders)
  for (const file of readdirSync(folder).sort())
    if (file.endsWith('.gguf')) files.push(join(folder, file));
for (const file of files) {
  const name = file.split('/').at(-1);
  await note(name, () =>
    withModel(file, { threads: 1 }, async (model) => {
      const tokens = drawn(75, Math.min(250, model.tokenizer.size ?? 250));
      const parts = [];
      for (const blockSize of [71, 17, 1])
        parts.push(await hashRun(model, tokens, full(75, blockSize)));
      return parts.join(' ');
    }),
  );
}

// 2. policies, types of rows, sharing, positions, on a model of two layers
const tokens = drawn(230, 250);
const small = machineModel(undefined);
const builds = ['simd', 'debug', 'relaxed'];
const sharings = ['uniform', 'pyramid', 'global'];
const loads = [{ threads: 1 }, { threads: 2 }, { pipeline: 2 }];
const evicting = (policy, change = {}) =>
  planOptions(policy, {
    budget: { tokens: 40 },
    blockSize: 24,
    promptTokens: 24,
    ...change,
  });
for (const load of loads) {
  const of = JSON.stringify(load);
  await withModel(small, load, async (model) => {
    for (const { name } of policies.filter((p) => p.evicts)) {
      for (const rowType of load.threads === 1 ? rowTypeNames : ['f16', 'int4', 'kivi-int4'])
        await note(`${of} ${name} ${rowType}`, () =>
          hashRun(model, tokens, evicting(name, { rowType })),
        );
      for (const heads of ['uniform', 'adaptive'])
        for (const layers of load.pipeline ? ['uniform', 'pyramid'] : sharings)
          await note(`${of} ${name} ${heads} ${layers}`, () =>
            hashRun(model, tokens, evicting(name, { heads, layers })),
          );
      for (const positions of ['original', 'compact'])
        await note(`${of} ${name} ${positions}`, () =>
          hashRun(model, tokens, evicting(name, { positions, sinks: 2 })),
        );
    }
  });
}

// 3. builds, those for tests as bytes
const kernelsOf = (build) =>
  build === 'debug'
    ? new Uint8Array(readFileSync(new URL('../build/kernels/debug.wasm', import.meta.url)))
    : build;
for (const build of builds)
  await note(`build ${build}`, () =>
    withModel(small, { threads: 1, build: kernelsOf(build) }, async (model) => {
      const parts = [];
      for (const { name } of policies.filter((p) => p.evicts))
        parts.push(await hashRun(model, tokens, evicting(name)));
      return parts.join(' ');
    }),
  );

// 4. the bundled model, as its users run it
for (const load of loads)
  await withModel(bundled, load, async (model) => {
    const text = readFileSync(new URL('../models/conv-2k.jsonl', import.meta.url), 'utf8');
    const said = model.tokenizer.encode(text.slice(0, 8000)).slice(0, 1200);
    for (const name of ['keydiff', 'snapkv', 'adakv', 'epicache', 'criticalkv'])
      for (const rowType of ['f16', 'int4'])
        await note(`tiny ${JSON.stringify(load)} ${name} ${rowType}`, () =>
          hashRun(
            model,
            said,
            evicting(name, { budget: { tokens: 128 }, blockSize: 128, rowType }),
          ),
        );
  });

writeFileSync(out, `${JSON.stringify(hashes, null, 1)}\n`);
console.log(`${Object.keys(hashes).length} hashes`);
