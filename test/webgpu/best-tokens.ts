// The most probable token after every token of a text, teacher-forced, on any backend: read once
// where the device takes it.
import { everything } from '../../src/engine/everything.ts';
import { localOf } from '../../src/engine/lasting.ts';
import type { Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { blocksOf } from '../../src/engine/prefill.ts';
import { argmax } from '../../src/engine/sampling/argmax.ts';
import { Stage } from '../../src/engine/stage.ts';
import { createRandom } from '../../src/math/rng.ts';

const BLOCK = 64;
const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0 };

export async function bestTokens(model: Model, tokens: readonly number[]): Promise<Int32Array> {
  const { transformer } = localOf(model.executor)!;
  const { backend, config, weights } = transformer;
  const [D, V] = [config.width, config.vocabulary];
  const budget = { tokens: tokens.length };
  const plan = planRun(model.executor, { ...everything, budget, blockSize: BLOCK });
  const stage = new Stage(transformer, plan);
  const best = new Int32Array(tokens.length);
  const regions = [BLOCK, BLOCK * D, BLOCK * V].map((count) => backend.arena.allocate(count * 4));
  const [ids, normed, logits] = regions;
  const [h, odds] = [
    { address: normed, columns: D },
    { address: logits, columns: V },
  ];
  try {
    let done = 0;
    for (const block of blocksOf(tokens, BLOCK)) {
      await stage.append(block, { position: done, token: done });
      const T = block.length;
      backend.rmsNorm(h, stage.workspace.x, weights.outputNorm!, T, config.normEps);
      backend.linear([[odds, weights.output!]], h, T); // [T, V]
      const row = (t: number) => ({ address: logits + t * V * 4, columns: V });
      if (backend.draw) {
        for (let t = 0; t < T; t++) backend.draw(ids + 4 * t, row(t), greedy, 0);
        best.set(await backend.readInts(ids, T), done);
      } else
        for (let t = 0; t < T; t++)
          best[done + t] = argmax(await backend.readFloats(row(t).address, V));
      done += block.length;
    }
    return best;
  } finally {
    for (const region of regions) backend.arena.free(region);
    stage.dispose();
  }
}

/** Positions of a text at which two models hold the same token for the most probable. */
export async function agreeing(
  a: Model,
  b: Model,
  tokens: readonly number[],
): Promise<{ same: number; of: number }> {
  const [first, second] = [await bestTokens(a, tokens), await bestTokens(b, tokens)];
  return { same: first.filter((token, i) => token === second[i]).length, of: tokens.length };
}

/**
 * Tokens of a text, over and over until there are so many; where there is none, tokens by chance.
 */
export function tokensFor(model: Model, count: number, text?: string): number[] {
  const random = createRandom(7);
  if (text === undefined)
    return Array.from({ length: count }, () => Math.floor(random() * model.config.vocabulary));
  const once = model.tokenizer.encode(text);
  return Array.from({ length: count }, (_, i) => once[i % once.length]);
}
