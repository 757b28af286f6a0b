// Layers that see a window of the text: they keep its rows and no others, whatever the policy says,
// and what comes out is what comes out where nothing is evicted.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import type { PlanOptions } from '../../src/engine/plan-options.ts';
import { blocksOf, prefill } from '../../src/engine/prefill.ts';
import { heldShares } from '../../src/engine/held.ts';
import { Run } from '../../src/engine/run.ts';
import { attentionIn } from '../../src/model/blocks/registry.ts';
import { policies } from '../../src/policy/registry.ts';
import { fixture, readJson } from '../fixtures.ts';
import { cacheOf, planOptions } from '../plan-options.ts';
import { rejects } from '../rejects.ts';
import { bytesFrom, stored, tag } from '../stored-bytes.ts';

const WINDOW = 17;
const BLOCK = 24;
/** Rows that a layer with a window keeps: its window, and a block that may be taken back. */
const KEPT = WINDOW - 1 + BLOCK;

const test = suite<{ model: Model; tokens: number[] }>('windows');
test.before(async (context) => {
  context.model = await loadModel(fixture('gemma3-swa-f32.gguf'), { threads: 1 });
  context.tokens = readJson<{ tokens: number[] }>(fixture('gemma3-swa-f32.json')).tokens;
});
test.after(({ model }) => model.dispose());

const optionsOf = (policy: string, change: Partial<PlanOptions> = {}) =>
  planOptions(policy, {
    budget: { tokens: 400 },
    blockSize: BLOCK,
    rowType: 'f32',
    layers: 'uniform',
    ...change,
  });

/** Log-odds after each of the last tokens, which go in by so few that blocks are taken back. */
async function logOdds(
  model: Model,
  tokens: readonly number[],
  options: PlanOptions,
  last: number,
  look?: (run: Run) => void,
): Promise<number[]> {
  const run = new Run(model.executor, planRun(model.executor, options));
  const found: number[] = [];
  try {
    await prefill(run, tokens.slice(0, -last));
    for (const some of blocksOf(tokens.slice(-last), 7)) {
      await run.append(some);
      for (let t = 0; t < some.length; t++) found.push(...(await run.logits(t)));
      look?.(run);
    }
    assert.ok(run.peakBytes <= run.plan.promisedBytes);
    return found;
  } finally {
    run.dispose();
  }
}

test('with a budget as large as the conversation every policy equals full', async ({
  model,
  tokens,
}) => {
  const expected = await logOdds(model, tokens, optionsOf('full'), 80);
  for (const { name } of policies.filter((p) => p.evicts)) {
    for (const positions of ['auto', 'compact'] as const) {
      const found = await logOdds(model, tokens, optionsOf(name, { positions }), 80);
      const off = Math.max(...found.map((x, i) => Math.abs(x - expected[i])));
      assert.ok(off < 2e-4, `${name}, ${positions}: ${off}`);
    }
  }
});

test('rows of a window are the newest ones, no more than it needs, whatever evicts', async ({
  model,
  tokens,
}) => {
  const { config, backend } = model;
  const windows = config.layerSpecs.map((layer) => attentionIn(layer)?.window);
  assert.equal(windows, [WINDOW, WINDOW, undefined, WINDOW]);
  const change = { budget: { tokens: 60 } } as const;
  for (const [policy, more] of [
    ['snapkv', {}],
    ['adakv', { heads: 'adaptive', rowType: 'int4' }],
    ['kvzip', { sinks: 30 }],
    ['h2o', { layers: 'pyramid', sinks: 60 }],
    ['keydiff', { positions: 'compact' }],
  ] as const) {
    const options = optionsOf(policy, { ...change, ...more });
    await logOdds(model, tokens, options, 60, (run) => {
      for (const [layer, window] of windows.entries()) {
        if (window === undefined) continue;
        for (const head of cacheOf(run).heads[layer]) {
          const numbers = [...(backend as never as Memory).ints(head.tokens, head.length)];
          const oldest = run.token - numbers.length;
          assert.equal(
            numbers,
            [...numbers.keys()].map((i) => oldest + i),
            policy,
          );
          assert.ok(numbers.length >= Math.min(WINDOW, run.token), policy);
          assert.ok(numbers.length <= Math.max(KEPT, options.sinks) + run.plan.shape.room, policy);
        }
      }
      const rows = cacheOf(run).heads.map((heads) => heads.reduce((sum, h) => sum + h.length, 0));
      assert.equal(run.ledger.rows, rows, policy);
    });
  }
});
interface Memory {
  ints(address: number, count: number): Int32Array;
}

test('the budget is that of layers which see all, windows cost what they cost', ({ model }) => {
  const plan = planRun(model.executor, optionsOf('snapkv', { budget: { tokens: 100 }, sinks: 4 }));
  assert.equal(plan.layerRows, [KEPT - 4, KEPT - 4, 100, KEPT - 4]);
  const bytes = plan.promisedBytes + 1000;
  const again = planRun(model.executor, optionsOf('snapkv', { budget: { bytes } }));
  assert.ok(again.promisedBytes <= bytes && again.rows >= 100, `${again.rows} rows`);
  const full = planRun(model.executor, optionsOf('full', { budget: { tokens: 100 } }));
  assert.equal(full.layerRows, [100, 100, 100, 100]);
});

test('rows that compete over layers are refused', async ({ model }) => {
  await rejects(
    (async () => planRun(model.executor, optionsOf('snapkv', { layers: 'global' })))(),
    'OptionError',
    /layers 'global' .* see a window .*layers 'uniform'/,
  );
});

test('what is held of a text is told of layers that see all', async ({ model, tokens }) => {
  const run = new Run(model.executor, planRun(model.executor, optionsOf('keydiff')));
  await prefill(run, tokens);
  assert.equal(await heldShares(run, [[0, tokens.length]]), [1]);
  run.dispose();
});

test('states that are joined keep the newest rows of windows', async ({ model, tokens }) => {
  const options = optionsOf('epicache', { budget: { tokens: 40 }, heads: 'uniform' });
  const run = new Run(model.executor, planRun(model.executor, options));
  // what went in behind and was taken back again left room that it had made
  const fill = async (behind: number) => {
    await run.clear();
    await prefill(run, tokens);
    for (const token of tokens.slice(0, behind)) await run.append([token]);
    await run.rewind({ token: tokens.length }, tokens);
    return stored(await bytesFrom((out) => run.save(tag, out)));
  };
  const [first, second] = [await fill(30), await fill(0)];
  for (const [a, b] of [
    [first, second],
    [second, first],
  ]) {
    await run.restore(a, tokens);
    const lengths = cacheOf(run).heads[0].map((head) => head.length);
    assert.ok(
      a === first ? lengths[0] > 0 && lengths[0] < KEPT : lengths[0] === KEPT,
      `${lengths[0]} rows`,
    );
    assert.ok(await run.restoreUnion(a, b, tokens));
    for (const [h, head] of cacheOf(run).heads[0].entries()) {
      const numbers = [...(model.backend as never as Memory).ints(head.tokens, head.length)];
      const newest = tokens.length - lengths[h];
      assert.equal(
        numbers,
        [...numbers.keys()].map((i) => newest + i),
      );
    }
  }
  run.dispose();
});
test('going back by up to three windows: what is missing is read again', async ({
  model,
  tokens,
}) => {
  const options = optionsOf('keydiff');
  const run = new Run(model.executor, planRun(model.executor, options));
  const after = async (count: number) => {
    await run.append(tokens.slice(count, count + 5));
    return run.logits(4);
  };
  // (windows are cut all the time, the others keep all)
  const end = 120;
  const far = 3 * WINDOW;
  let again = 0;
  for (let back = 1; back <= far; back += 5) {
    const to = end - back;
    await run.clear();
    await prefill(run, tokens.slice(0, to));
    const plain = await after(to);
    await run.clear();
    await prefill(run, tokens.slice(0, end));
    await run.rewind({ token: to }, tokens.slice(0, to));
    if (run.token < to) again++;
    await prefill(run, tokens.slice(run.token, to));
    const found = await after(to);
    const off = Math.max(...found.map((x, i) => Math.abs(x - plain[i])));
    assert.ok(off < 1e-4, `${off} after going back by ${back}`);
  }
  assert.ok(again > 0 && again < far / 5);
  run.dispose();
});
test.run();
