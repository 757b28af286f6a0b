// Conversations on a model share the memory that passes need: it is as large as the largest of them
// needs, and disturbs nobody.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { Run } from '../../src/engine/run.ts';
import { workspaceBytes, Workspaces } from '../../src/model/workspace.ts';
import { fixture } from '../fixtures.ts';
import { planOptions } from '../plan-options.ts';

const test = suite<{ model: Model }>('workspace');
test.before(async (context) => {
  context.model = await loadModel(fixture('qwen3-f32.gguf'), { threads: 1 });
});
test.after(({ model }) => model.dispose());

const open = (model: Model, blockSize: number) =>
  new Run(
    model.executor,
    planRun(model.executor, planOptions('full', { budget: { tokens: 60 }, blockSize })),
  );
const tokensOf = (seed: number) => Array.from({ length: 24 }, (_, i) => 97 + ((seed * i) % 26));

test('what interleaves gives what it gives alone', async ({ model }) => {
  const alone = async (seed: number, blockSize: number) => {
    const run = open(model, blockSize);
    await run.append(tokensOf(seed).slice(0, 8));
    await run.append(tokensOf(seed).slice(8, 16));
    const logits = [...(await run.logits(3)), ...(await run.logits(7))];
    run.dispose();
    return logits;
  };
  const expected = [await alone(3, 8), await alone(5, 16)];
  const first = open(model, 8);
  await first.append(tokensOf(3).slice(0, 8));
  const second = open(model, 16); // the room grows
  await second.append(tokensOf(5).slice(0, 8));
  await first.append(tokensOf(3).slice(8, 16));
  await second.append(tokensOf(5).slice(8, 16));
  const own = await first.logits(3);
  const other = await second.logits(3);
  const found = [...other, ...(await second.logits(7))];
  second.dispose(); // and shrinks
  assert.equal([[...own, ...(await first.logits(7))], found], expected);
  first.dispose();
});

test('it takes what the largest takes, and no more than each alone', ({ model }) => {
  const { config } = model;
  const backend = createWasmBackend('simd');
  const workspaces = new Workspaces(config, backend);
  const room = (tokens: number, piece: number) =>
    workspaceBytes(config, backend, tokens, piece) - 4 * tokens * config.width;
  const slack = 3 * 64; // what an arena rounds up
  const used = () => backend.arena.usedBytes;
  const large = workspaces.open(64, 64);
  assert.ok(used() <= workspaceBytes(config, backend, 64, 64) + slack);
  const before = used();
  const small = workspaces.open(40, 8);
  assert.ok(used() - before <= 4 * 40 * config.width + slack, 'hidden states of its own, no more');
  large.dispose();
  assert.ok(used() <= room(8, 8) + 4 * 40 * config.width + slack, 'what is left is a small one');
  const after = used();
  workspaces.open(10, 10).dispose();
  assert.is(used(), after);
  small.dispose();
  small.dispose();
  assert.is(used(), 0);
});

test('where memory ends nothing is left behind, and what was there goes on', async ({ model }) => {
  const { backend } = model;
  const { transformer } = model.executor as LocalExecutor;
  const run = open(model, 8);
  const [before, wanted] = [backend.arena.usedBytes, 2 ** 22];
  assert.throws(() => transformer.createWorkspace(16, wanted), /no room for/);
  assert.is(backend.arena.usedBytes, before);
  await run.append(tokensOf(3).slice(0, 8));
  assert.ok((await run.logits(7)).every(Number.isFinite));
  run.dispose();
});
/** Log-odds behind some tokens of one pass, in pieces of a size. */
async function passOf(model: Model, piece: number): Promise<number[]> {
  const { executor, backend } = model;
  const { transformer } = executor as LocalExecutor;
  const shape = planRun(executor, planOptions('full', { budget: { tokens: 60 }, blockSize: 24 }));
  const cache = backend.createCache(shape.shape);
  const workspace = transformer.createWorkspace(24, piece);
  transformer.forward(tokensOf(3), { cache, workspace, position: 0, token: 0 });
  const found: number[] = [];
  for (const t of [3, 8, 23]) found.push(...(await transformer.logits(workspace, t)));
  workspace.dispose();
  cache.dispose();
  return found;
}

for (const name of ['archs/gemma3n', 'archs/gemma4', 'qwen3-f32'])
  test(`${name}: pieces of a pass give what it gives as a whole`, async () => {
    using model = await loadModel(fixture(`${name}.gguf`), { device: 'wasm', threads: 1 });
    const whole = await passOf(model, 24);
    assert.ok(whole.every(Number.isFinite));
    for (const piece of [1, 5, 8]) assert.equal(await passOf(model, piece), whole);
  });
test.run();
