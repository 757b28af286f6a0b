// Every policy, and how heads and layers share what is kept: the budget to the row, the same rows
// as plain loops in f64 keep, and where there is room for everything, what no policy would give.
import { layerShapes } from '../../src/backend/cache-shape.ts';
import { policies } from '../../src/policy/registry.ts';
import { sum } from '../../src/math/sum.ts';
import { expect, expectNear, expectSameKept } from './expect.ts';
import type { Feature } from './outcome.ts';
import {
  LAST,
  plainRunOf,
  PLENTY,
  type Ran,
  type RunOptions,
  runOf,
  type Subject,
} from './subject.ts';

/** Near ties: the share of a head's tokens that f32 and f64 may choose differently. */
const TIES = 0.15;
const NEAR = 1e-3;

/** Throws where a layer holds other rows than planned, not in order, or not the sinks. */
export function expectPlanned({ plan, kept }: Ran, tokens: number): void {
  const { slides, layerRows, shape, sinks } = plan;
  const shapes = layerShapes(shape);
  const counts = [...kept].map(([layer, heads]) => {
    for (const [h, own] of heads.entries()) {
      const where = `layer ${layer}, head ${h}`;
      expect(
        own.every((token, i) => token < tokens && (i === 0 || token > own[i - 1])),
        `${where} kept ${own} of ${tokens}`,
      );
      const first = slides[layer] ? own[0] : 0;
      const wanted = Array.from(
        { length: slides[layer] ? own.length : sinks },
        (_, i) => first + i,
      );
      expect(
        wanted.every((token, i) => own[i] === token),
        `${where} kept ${own}, expected ${wanted} first`,
      );
    }
    return { layer, rows: sum(heads.map((own) => own.length)), heads: heads.length };
  });
  const planned = (layer: number) =>
    shapes[layer].kvHeads * Math.min(layerRows[layer] + sinks, tokens);
  for (const { layer, rows, heads } of counts) {
    expect(heads === shapes[layer].kvHeads, `layer ${layer} has ${heads} heads`);
    if (!shape.pooled)
      expect(rows === planned(layer), `layer ${layer}: ${rows} rows, planned ${planned(layer)}`);
  }
  const all = sum(counts.map(({ rows }) => rows));
  const wanted = sum(counts.map(({ layer }) => planned(layer)));
  expect(all === wanted, `${all} rows, planned ${wanted}`);
  const cut = shapes.filter(({ kvHeads }, layer) => kvHeads > 0 && !slides[layer]).length;
  const found = counts.filter(({ layer }) => !slides[layer]).length;
  expect(found === cut, `${found} layers were cut, ${cut} see everything`);
}

/** Throws where what is kept is not as planned, or not as the reference has it. */
export async function expectRows(subject: Subject, options: RunOptions): Promise<void> {
  const { tokens } = subject;
  const [ours, reference] = [
    await runOf(await subject.model(), tokens, options),
    await runOf(await subject.model({ device: 'reference' }), tokens, options),
  ];
  if (ours.plan.policy.evicts) expectPlanned(ours, tokens.length - LAST);
  expectSameKept(ours, reference, TIES, 'wasm and reference');
  // (some models know positions by more than their distance)
  if (options.positions === 'compact') return;
  const plain = await plainRunOf(subject);
  const ample = await runOf(await subject.model(), tokens, { ...options, budget: PLENTY });
  expectNear(ample.logits, plain.logits, NEAR, 'with room for everything');
}

const ofPolicies = policies.map(({ name, summary }): Feature => ({
  name,
  group: 'policies',
  promise: summary,
  check: (subject) =>
    expectRows(subject, { policy: name, ...(name === 'full' && { budget: PLENTY }) }),
}));

const sharings: Readonly<Record<string, RunOptions>> = {
  'adaptive heads': { policy: 'snapkv', heads: 'adaptive' },
  'pyramid layers': { policy: 'keydiff', layers: 'pyramid' },
  'global layers': { policy: 'keydiff', layers: 'global' },
  'value term, two stages': { policy: 'snapkv', value: 'projected', stages: 2 },
  'compact positions': { policy: 'keydiff', positions: 'compact' },
};

/** Options as they are written. */
export const code = (options: RunOptions): string =>
  `\`${JSON.stringify(options).replaceAll('"', "'")}\``;

const ofSharings = Object.entries(sharings).map(([name, options]): Feature => ({
  name,
  group: 'sharing',
  promise: `${code(options)}: budget, rows and log-odds as for a policy`,
  check: (subject) => expectRows(subject, options),
}));

export const policyFeatures: readonly Feature[] = [...ofPolicies, ...ofSharings];
