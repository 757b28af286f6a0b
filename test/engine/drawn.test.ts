// Replies whose tokens are drawn several at a time, as on a device, against those drawn one by one:
// the same tokens, and the same conversation behind them, wherever they end.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decode } from '../../src/engine/decode.ts';
import { drawHere } from '../../src/engine/draw-here.ts';
import type { LocalLayers } from '../../src/engine/executor.ts';
import type { Model } from '../../src/engine/model.ts';
import { type Plan, planRun } from '../../src/engine/plan.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import { createSampler } from '../../src/engine/sampling/sampler.ts';
import { tinyModel } from '../fixtures.ts';
import { cacheOf, planOptions } from '../plan-options.ts';
import { tokensFor } from '../webgpu/best-tokens.ts';

const test = suite('tokens drawn several at a time');

/** A run whose layers draw where they are asked to. */
function open({ executor }: Model, plan: Plan, draws: boolean): Run {
  const run = new Run(executor, plan);
  const layers = run.layers as LocalLayers;
  if (draws)
    Object.defineProperty(layers, 'draw', {
      value: (
        ...[t, by, randoms, place, appendsLast]: Parameters<NonNullable<typeof layers.draw>>
      ) => drawHere(layers, t, by, randoms, place, appendsLast),
    });
  assert.is(run.draws, draws);
  return run;
}

interface Asked {
  readonly blockSize: number;
  readonly endTokens: ReadonlySet<number>;
  readonly maxTokens: number;
  readonly evict: boolean;
}

/** What a reply is, and which tokens each layer's first head has once room was made behind it. */
async function told(model: Model, asked: Asked, draws: boolean) {
  const { blockSize, ...how } = asked;
  // (h2o adds up what every step sees, so that it matters which tokens go through one again)
  const options = planOptions('h2o', { budget: { tokens: 40 }, blockSize });
  const run = open(model, planRun(model.executor, options), draws);
  try {
    const prompt = tokensFor(model, 60);
    const last = prompt.splice(-1);
    await prefill(run, prompt);
    const sample = createSampler({ temperature: 20, seed: 3 });
    const reply = decode(run, last, { sample, ...how });
    const tokens: number[] = [];
    let step = await reply.next();
    for (; !step.done; step = await reply.next()) tokens.push(step.value);
    const { token, room } = run;
    if (room < blockSize) await run.makeRoom(room + 1);
    const kept: number[][] = [];
    for (const layer of cacheOf(run).heads.keys())
      kept.push([...(await cacheOf(run).tokens(layer))[0]]);
    return { tokens, reason: step.value, token, room, rows: run.ledger.rows, kept };
  } finally {
    run.dispose();
  }
}

const none: ReadonlySet<number> = new Set();

for (const evict of [true, false])
  test(`replies of every length, and every place of the end, evict: ${evict}`, async () => {
    const model = await tinyModel();
    const whole = { blockSize: 6, endTokens: none, maxTokens: 9, evict };
    const { tokens } = await told(model, whole, false);
    assert.is(new Set(tokens).size, evict ? 9 : 6);
    const cases: Asked[] = [
      ...tokens.map((_, i) => ({ ...whole, maxTokens: i + 1 })),
      ...tokens.map((end) => ({ ...whole, endTokens: new Set([end]) })),
    ];
    for (const asked of cases) {
      const found = await told(model, asked, true);
      const name = `${asked.maxTokens} tokens, ends at ${[...asked.endTokens]}`;
      assert.equal(found, await told(model, asked, false), name);
    }
  });

test.run();
