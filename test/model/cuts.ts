// Tokens that are forwarded together or apart: their log-odds are the same, bit for bit.
import * as assert from 'uvu/assert';
import type { Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import type { PlanOptions } from '../../src/engine/plan-options.ts';
import { Run } from '../../src/engine/run.ts';
import { planOptions } from '../plan-options.ts';

const T = 70; // more rows than a tile of cached rows has
const cuts = [[T], new Array<number>(T).fill(1), [5, 64, 1], [33, 1, 2, 3, 31]];

export async function sameInAllCuts(
  model: Model,
  rowType: PlanOptions['rowType'],
  what: string,
): Promise<void> {
  const tokens = Array.from({ length: T }, (_, i) => (i * 7919) % model.config.vocabulary);
  const options = planOptions('full', { budget: { tokens: 128 }, blockSize: T, rowType });
  let first: Float32Array | undefined;
  for (const cut of cuts) {
    const run = new Run(model.executor, planRun(model.executor, options));
    let t = 0;
    for (const n of cut) await run.append(tokens.slice(t, (t += n)));
    const found = await run.logits(cut.at(-1)! - 1);
    run.dispose();
    first ??= found;
    assert.equal(found, first, `${what}, cut as ${cut}`);
  }
}
