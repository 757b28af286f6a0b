// The block-wise pipeline's promises: bounded, exact, equal to a plain forward pass where nothing
// is evicted, and going on past the context.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheBytes } from '../../src/backend/cpu/bytes.ts';
import { CpuCache } from '../../src/backend/cpu/cache.ts';
import type { CpuBackend } from '../../src/backend/cpu/memory.ts';
import { decode } from '../../src/engine/decode.ts';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import { planRun } from '../../src/engine/plan.ts';
import type { PlanOptions } from '../../src/engine/plan-options.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import { argmax } from '../../src/engine/sampling/argmax.ts';
import { createSampler } from '../../src/engine/sampling/sampler.ts';
import type { Model } from '../../src/engine/model.ts';
import { findPolicy, policies } from '../../src/policy/registry.ts';
import { bundled, tinyModel } from '../fixtures.ts';
import { cacheOf, planOptions } from '../plan-options.ts';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { readFileSync } from 'node:fs';
import { stoppedAt } from '../stopped.ts';
import { bytesFrom, stored, tag } from '../stored-bytes.ts';
import { savedBytes } from '../../src/engine/saved.ts';

const test = suite('run');
/** The backend, as one whose memory can be looked into. */
const seen = (model: Model) => model.backend as CpuBackend;
const dialogues = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k.jsonl');
const tokensOf = (model: Model, count: number) =>
  dialogues.flatMap((x) => x.turns.flatMap((t) => model.tokenizer.encode(t.line))).slice(0, count);

const optionsOf = (policy: string, change: Partial<PlanOptions> = {}): PlanOptions =>
  planOptions(policy, {
    budget: { tokens: 96 },
    blockSize: 64,
    promptTokens: findPolicy(policy).observe.queries === 'patched' ? 64 : 0,
    ...change,
  });

/** Opens a run, and checks when it closes that nothing is left reserved. */
async function withRun(
  model: Model,
  options: PlanOptions,
  work: (run: Run) => Promise<void> | void,
): Promise<void> {
  const before = model.backend.arena.usedBytes;
  const run = new Run(model.executor, planRun(model.executor, options));
  try {
    await work(run);
    assert.ok(cacheOf(run).peakBytes <= run.plan.promisedCacheBytes);
    assert.ok(run.peakBytes <= run.plan.promisedBytes);
    checkLedger(run);
  } finally {
    run.dispose();
  }
  assert.is(model.backend.arena.usedBytes, before);
}

/** What the run knows about rows and room, against the cache itself. */
function checkLedger(run: Run): void {
  const cache = cacheOf(run);
  const rows = cache.heads.map((heads) => heads.reduce((sum, h) => sum + h.length, 0));
  assert.equal(run.ledger.rows, run.plan.shape.pooled ? [rows.reduce((a, b) => a + b, 0)] : rows);
  const rooms = cache.heads.flatMap((heads, layer) => heads.map((_, h) => cache.roomOf(layer, h)));
  // the last head of a range may have a few more
  assert.is(run.ledger.room, Math.min(...rooms));
}

const endless: ReadonlySet<number> = new Set();
async function reply(run: Run, prompt: number[], count: number, evict = true): Promise<number[]> {
  const out: number[] = [];
  for await (const token of decode(run, prompt, {
    sample: argmax,
    maxTokens: count,
    endTokens: endless,
    evict,
  }))
    out.push(token);
  return out;
}

test('full, in blocks, answers as one plain forward pass, token for token', async () => {
  const model = await tinyModel();
  const tokens = tokensOf(model, 700);
  const question = model.tokenizer.encode("<|user|> What is Will's favourite sport?<|assistant|>");
  const { config } = model;
  const { transformer } = model.executor as LocalExecutor;
  const shape = {
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    rowType: 'f16',
    keptRows: new Array<number>(config.layers).fill(0),
    room: 800,
  } as const;
  const cache = new CpuCache(seen(model), shape);
  const workspace = transformer.createWorkspace(800, 800, true);
  const plain: number[] = [];
  let next = [...tokens, ...question];
  for (let at = 0; plain.length < 20;) {
    transformer.forward(next, { cache, workspace, position: at, token: at });
    const token = argmax(await transformer.logits(workspace, next.length - 1));
    plain.push(token);
    at += next.length;
    next = [token];
  }
  workspace.dispose();
  cache.dispose();
  for (const blockSize of [64, 100, 256]) {
    await withRun(model, optionsOf('full', { budget: { tokens: 800 }, blockSize }), async (run) => {
      await prefill(run, tokens);
      assert.equal(await reply(run, question, 20), plain, `blocks of ${blockSize}`);
    });
  }
});

test('with a budget as large as the conversation every policy equals full', async () => {
  const model = await tinyModel();
  const tokens = tokensOf(model, 500);
  const question = model.tokenizer.encode('<|user|> When is the exam of Jack?<|assistant|>');
  let expected: number[] | undefined;
  for (const { name } of policies) {
    for (const heads of ['uniform', 'adaptive'] as const) {
      await withRun(model, optionsOf(name, { budget: { tokens: 500 }, heads }), async (run) => {
        await prefill(run, tokens);
        assert.is(cacheOf(run).heads[0][0].length, 500, name);
        expected ??= await reply(run, question, 12);
        if (name !== 'full')
          assert.equal(await reply(run, question, 12), expected, `${name}, ${heads}`);
      });
    }
  }
});

test('after every block each layer holds exactly its budget and the sinks, whatever the blocks, heads and layers', async () => {
  const model = await tinyModel();
  const all = tokensOf(model, 1200);
  const { layers, kvHeads } = model.config;
  const pieces = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 6, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...policies.filter((p) => p.evicts).map((p) => p.name)),
      fc.integer({ min: 1, max: 150 }),
      pieces,
      fc.constantFrom('uniform' as const, 'adaptive' as const),
      fc.option(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
          minLength: layers,
          maxLength: layers,
        }),
        { nil: undefined },
      ),
      fc.integer({ min: 0, max: 8 }),
      async (policy, tokens, blocks, heads, sensitivity, sinks) => {
        await withRun(
          model,
          optionsOf(policy, {
            budget: { tokens },
            heads,
            layers: sensitivity ? 'sensitivity' : 'uniform',
            sensitivity,
            sinks,
          }),
          async (run) => {
            assert.is(
              run.plan.layerRows.reduce((a, b) => a + b, 0),
              layers * tokens,
            );
            let at = 0;
            for (const size of blocks) {
              await run.step(all.slice(at, at + size));
              at += size;
              checkLedger(run);
              cacheOf(run).heads.forEach((rows, layer) => {
                const held = rows.reduce((sum, h) => sum + h.length, 0);
                assert.is(
                  held,
                  kvHeads * Math.min(at, run.plan.layerRows[layer] + Math.min(sinks, at)),
                  `${policy}, layer ${layer}`,
                );
                for (const head of rows) {
                  const kept = [...seen(model).ints(head.tokens, head.length)];
                  assert.ok(
                    kept.every((t, i) => i === 0 || t > kept[i - 1]),
                    'order is kept',
                  );
                  assert.ok(
                    kept.slice(0, Math.min(sinks, at)).every((t, i) => t === i),
                    'sinks are kept',
                  );
                  const recent = Math.min(
                    run.plan.policy.protect.recent,
                    run.plan.layerRows[layer],
                    at,
                  );
                  assert.ok(
                    Array.from({ length: recent }, (_, i) => at - 1 - i).every((t) =>
                      kept.includes(t),
                    ),
                    'the window is kept',
                  );
                }
              });
            }
          },
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('layers that compete: after every block all together hold exactly the budget, each head at least its safeguard', async () => {
  const model = await tinyModel();
  const all = tokensOf(model, 1200);
  const { layers, kvHeads } = model.config;
  for (const policy of policies.filter((p) => p.evicts).map((p) => p.name)) {
    for (const [tokens, safeguard] of [
      [70, 0],
      [40, 0.25],
    ]) {
      await withRun(
        model,
        optionsOf(policy, { budget: { tokens }, layers: 'global', safeguard }),
        async (run) => {
          let at = 0;
          for (const size of [64, 64, 13, 64, 1, 40, 64, 64]) {
            await run.step(all.slice(at, at + size));
            at += size;
            checkLedger(run);
            const lengths = cacheOf(run)
              .heads.flat()
              .map((h) => h.length);
            assert.is(
              lengths.reduce((a, b) => a + b, 0),
              layers * kvHeads * Math.min(at, tokens + 4),
              policy,
            );
            assert.ok(lengths.every((n) => n >= Math.min(at, Math.floor(safeguard * tokens))));
            for (const [layer, heads] of cacheOf(run).heads.entries())
              for (const [h, head] of heads.entries()) {
                const kept = [...seen(model).ints(head.tokens, head.length)];
                assert.ok(kept.every((t, i) => (i === 0 ? t === 0 : t > kept[i - 1])));
                assert.ok(cacheOf(run).roomOf(layer, h) >= run.plan.shape.room);
              }
          }
          const spread = new Set(
            cacheOf(run)
              .heads.flat()
              .map((h) => h.length),
          );
          if (policy === 'layer-defensivekv') assert.ok(spread.size > 1, 'heads differ');
          await reply(run, model.tokenizer.encode('<|user|> Hi?<|assistant|>'), 200);
        },
      );
    }
  }
});

test('a conversation 20 times the context length: flat, within the promise, and still answering about what was kept', async () => {
  const model = await tinyModel();
  const text = Array.from({ length: 40 }, (_, i) =>
    dialogues[i % dialogues.length].turns.map((t) => t.line).join(''),
  ).join('');
  const filler = model.tokenizer.encode(text);
  const fact = model.tokenizer.encode(
    "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n",
  );
  const question = model.tokenizer.encode("<|user|> What is Ana's dog called?<|assistant|>");
  for (const [positions, rowType] of [
    ['auto', 'f16'],
    ['compact', 'f16'],
    ['auto', 'int4'],
  ] as const) {
    await withRun(
      model,
      optionsOf('streaming-llm', { budget: { tokens: 200 }, blockSize: 256, positions, rowType }),
      async (run) => {
        const bytes: number[] = [];
        await prefill(run, filler, { onBlock: (p) => bytes.push(p.cacheBytes) });
        assert.ok(run.token >= 20 * model.config.contextLength, String(run.token));
        assert.ok(run.position <= model.config.contextLength);
        assert.is(new Set(bytes.slice(1)).size, 1, 'flat');
        await prefill(run, fact);
        assert.is(model.tokenizer.decode(await reply(run, question, 1)).trim(), 'Rex');
      },
    );
  }
});

test('rows of few bits are turned rarely: each keeps the position that it stands at, and answers as rows of f16 do', async () => {
  const model = await tinyModel();
  const text = dialogues.flatMap((x) => x.turns.flatMap((t) => model.tokenizer.encode(t.line)));
  for (const rowType of ['f16', 'int8', 'kivi-int4'] as const) {
    await withRun(
      model,
      optionsOf('keydiff', { budget: { tokens: 300 }, blockSize: 256, rowType }),
      async (run) => {
        await prefill(run, text.slice(0, 9000));
        if (rowType !== 'f16') {
          for (const head of cacheOf(run).heads.flat()) {
            const places = [...seen(model).ints(head.positions!, head.length)];
            assert.ok(places.every((p, i) => i === 0 || p > places[i - 1]));
            assert.is(places[places.length - 1], run.position - 1);
          }
        }
        await prefill(
          run,
          model.tokenizer.encode(
            "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n",
          ),
        );
        assert.is(
          model.tokenizer
            .decode(
              await reply(
                run,
                model.tokenizer.encode("<|user|> What is Ana's dog called?<|assistant|>"),
                1,
              ),
            )
            .trim(),
          'Rex',
        );
      },
    );
  }
});

test('compact positions change nothing that attention sees: re-rotated rows answer as rows that never moved', async () => {
  const model = await tinyModel();
  const tokens = tokensOf(model, 900);
  const logits: Float32Array[] = [];
  for (const positions of ['original', 'compact'] as const) {
    // the newest 200 rows, no sinks: their distances to the question are the same either way
    await withRun(
      model,
      optionsOf('streaming-llm', { budget: { tokens: 200 }, sinks: 0, positions, rowType: 'f32' }),
      async (run) => {
        await prefill(run, tokens);
        await run.append(model.tokenizer.encode('<|user|> When is the exam of Jack?<|assistant|>'));
        logits.push((await run.logits(run.token - 900 - 1)).slice());
      },
    );
  }
  const most = Math.max(...logits[0].map((x, i) => Math.abs(x - logits[1][i])));
  assert.ok(most < 2e-3 && most > 0, String(most));
});

test('replies go on past the budget, and past the context', async () => {
  const model = await tinyModel();
  for (const policy of ['keydiff', 'snapkv', 'kvzip', 'h2o', 'layer-defensivekv']) {
    const layers = findPolicy(policy).layers;
    await withRun(
      model,
      optionsOf(policy, { budget: { tokens: 80 }, heads: 'adaptive', layers }),
      async (run) => {
        await prefill(run, tokensOf(model, 300));
        const out = await reply(run, model.tokenizer.encode('<|user|> Hi?<|assistant|>'), 4500);
        assert.is(out.length, 4500);
      },
    );
  }
});

test('without eviction a reply ends where the room does', async () => {
  const model = await tinyModel();
  await withRun(model, optionsOf('keydiff'), async (run) => {
    await prefill(run, tokensOf(model, 300));
    const before = run.evictions;
    const out = await reply(run, model.tokenizer.encode('<|user|> Hi?<|assistant|>'), 1000, false);
    assert.ok(out.length > 20 && out.length <= 64, String(out.length));
    assert.is(run.evictions, before);
  });
});

test('original positions end at the context length, with an error that says so', async () => {
  const model = await tinyModel();
  await withRun(
    model,
    optionsOf('keydiff', { positions: 'original', blockSize: 256 }),
    async (run) => {
      const text = tokensOf(model, 4352);
      try {
        await prefill(run, text);
        assert.unreachable();
      } catch (error) {
        assert.is((error as Error).name, 'ContextError');
        assert.match((error as Error).message, /context of 4096.*'auto' or 'compact'/);
      }
    },
  );
});

test('full says what it would need when it is full', async () => {
  const model = await tinyModel();
  await withRun(model, optionsOf('full', { budget: { tokens: 100 } }), async (run) => {
    try {
      await prefill(run, tokensOf(model, 400));
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).name, 'BudgetError');
      assert.match((error as Error).message, /'full' keeps every token.*Raise the budget/);
    }
  });
});

test('an abort between blocks rejects with the reason; the run goes on', async () => {
  const model = await tinyModel();
  await withRun(model, optionsOf('snapkv'), async (run) => {
    const tokens = tokensOf(model, 640);
    await stoppedAt(192, run, tokens);
    assert.is(run.token, 192);
    await prefill(run, tokens.slice(192));
    assert.is(run.token, 640);
  });
});

test('a saved run goes on as the one it was saved from', async () => {
  const model = await tinyModel();
  const tokens = tokensOf(model, 600);
  const question = model.tokenizer.encode('<|user|> When is the exam of Jack?<|assistant|>');
  for (const [layers, rowType] of [
    ['uniform', 'f16'],
    ['global', 'f16'],
    ['uniform', 'int8'],
    ['global', 'kivi-int8'],
    ['uniform', 'kivi-mixed3.5'],
  ] as const) {
    await withRun(
      model,
      optionsOf('keydiff', { heads: 'adaptive', layers, rowType }),
      async (run) => {
        await prefill(run, tokens);
        const bytes = await bytesFrom((out) => run.save(tag, out));
        const first = await reply(run, question, 8);
        await run.clear();
        await run.restore(stored(bytes), tokens);
        assert.is(run.token, 600);
        assert.equal(await reply(run, question, 8), first);
      },
    );
  }
});

test('a plan counts every byte that the arena gives', async () => {
  const model = await tinyModel();
  for (const [policy, rowType] of [
    ...policies.map((p) => [p.name, 'f16'] as const),
    ['keydiff', 'kivi-int4'] as const,
    ['layer-defensivekv', 'kivi-mixed3'] as const,
  ]) {
    const plan = planRun(model.executor, optionsOf(policy, { rowType }));
    const before = model.backend.arena.usedBytes;
    const run = new Run(model.executor, plan);
    const reserved = model.backend.arena.usedBytes - before;
    const alignment = 8 * 64; // each region may be rounded up to a cache line
    // with episodes, what is on its way to a store lies elsewhere
    const { queries, ...observe } = plan.policy.observe as { queries: string; prompt?: string };
    const elsewhere =
      queries === 'patched' && observe.prompt === 'episode' ? savedBytes(plan.shape, plan) : 0;
    const counted = plan.promisedBytes - elsewhere;
    assert.ok(
      Math.abs(reserved - counted) <= alignment,
      `${policy}: ${reserved} reserved, ${counted} counted`,
    );
    assert.is(plan.promisedCacheBytes, cacheBytes(plan.shape));
    run.dispose();
  }
});
test.run();

const sampling = suite('sampling');
sampling('greedy takes the best, the lower on ties', () =>
  assert.is(createSampler()(Float32Array.of(1, 3, 3, 2)), 1),
);
sampling('the same seed draws the same, in proportion to the probabilities', () => {
  const logits = Float32Array.of(
    Math.log(0.5),
    Math.log(0.3),
    Math.log(0.2),
    Number.NEGATIVE_INFINITY,
  );
  const draw = (options: Parameters<typeof createSampler>[0]) => {
    const sample = createSampler(options);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20000; i++) counts[sample(logits)]++;
    return counts.map((c) => c / 20000);
  };
  assert.equal(draw({ temperature: 1, seed: 3 }), draw({ temperature: 1, seed: 3 }));
  const near = (found: number[], expected: number[]) =>
    found.forEach((f, i) => assert.ok(Math.abs(f - expected[i]) < 0.015, `${found}`));
  near(draw({ temperature: 1 }), [0.5, 0.3, 0.2, 0]);
  near(draw({ temperature: 0.5 }), [0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38, 0]);
  near(draw({ temperature: 1, topK: 2 }), [0.625, 0.375, 0, 0]);
  near(draw({ temperature: 1, topP: 0.75 }), [0.625, 0.375, 0, 0]);
  near(draw({ temperature: 1, minP: 0.5 }), [0.625, 0.375, 0, 0]);
});
sampling.run();
