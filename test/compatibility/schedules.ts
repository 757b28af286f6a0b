// Who runs the layers: threads, workers, builds of the kernels, devices. What comes out is the
// same.
import type { LoadOptions } from '../../src/engine/load-options.ts';
import { expect, expectNear, expectSameBits, expectSameKept } from './expect.ts';
import type { Feature } from './outcome.ts';
import { type RunOptions, runOf, type Subject } from './subject.ts';

/** What looks at rows, what only counts them, and what is forwarded for its looks. */
const tried: readonly RunOptions[] = [
  { policy: 'snapkv', cacheType: 'f16' },
  { policy: 'keydiff', positions: 'compact', cacheType: 'f16' },
  { policy: 'kvzip' },
];

async function expectSame(subject: Subject, how: LoadOptions): Promise<void> {
  const other = await subject.model(how);
  for (const options of tried) {
    const [a, b] = [
      await runOf(await subject.model(), subject.tokens, options),
      await runOf(other, subject.tokens, options),
    ];
    expectSameKept(a, b, 0, options.policy as string);
    expectSameBits(a.logits, b.logits, options.policy as string);
  }
}

async function expectAlike(subject: Subject, how: LoadOptions): Promise<void> {
  const other = await subject.model(how);
  for (const options of tried) {
    const [a, b] = [
      await runOf(await subject.model(), subject.tokens, { ...options, cacheType: 'f32' }),
      await runOf(other, subject.tokens, { ...options, cacheType: 'f32' }),
    ];
    expectSameKept(a, b, 0.15, options.policy as string);
    if (a.kept.size > 0) continue;
    expectNear(a.logits, b.logits, 1e-3, options.policy as string);
  }
}

async function expectWorkers(subject: Subject): Promise<void> {
  const { executor } = await subject.model({ pipeline: 2 });
  expect(executor.layerRanges.length === 2, `${executor.layerRanges.length} workers`);
  await expectSame(subject, { pipeline: 2 });
}

export const scheduleFeatures: readonly Feature[] = [
  {
    name: 'threads',
    group: 'schedules',
    promise: 'three threads: the same bits as one',
    check: (subject) => expectSame(subject, { threads: 3 }),
  },
  {
    name: 'workers',
    group: 'schedules',
    promise: 'two workers that own layers: the same bits as none',
    check: expectWorkers,
  },
  {
    name: 'relaxed build',
    group: 'schedules',
    promise: 'relaxed SIMD: the same rows as without',
    check: (subject) => expectAlike(subject, { build: 'relaxed' }),
  },
];

/** A device, which is not tried where nobody asks: in software it takes minutes. */
export const deviceFeature = (device: 'webgpu'): Feature => ({
  name: device,
  group: 'schedules',
  promise: 'a GPU: the same rows as on the CPU, near ties aside',
  check: (subject) => expectAlike(subject, { device }),
});
