// Every type of cached rows: near rows of f32 as far as its bits go, as plain loops in f64 have it,
// stored and put back to the bit, turned to compact positions.
import { isQuantized, type RowType, rowTypeNames, rowTypes } from '../../src/backend/dtype.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { bytesFrom, stored, tag } from '../stored-bytes.ts';
import { expectNear, expectSameBits, expectSameKept } from './expect.ts';
import type { Feature } from './outcome.ts';
import { type RunOptions, runOf, type Subject, withRun } from './subject.ts';

/** How far log-probabilities may be from those of the reference: a number may round otherwise. */
const near = (type: RowType): number => (isQuantized(type) ? 0.3 : type === 'f16' ? 0.05 : 1e-3);

/** Throws where a run that is stored and put back does not go on with the same bits. */
export async function expectStored(subject: Subject, options: RunOptions): Promise<void> {
  const model = await subject.model();
  const { tokens } = subject;
  const [before, after] = [tokens.slice(0, 36), tokens.slice(36, 44)];
  let bytes: Uint8Array<ArrayBuffer>;
  const there = await withRun(model, options, async (run) => {
    await prefill(run, before);
    bytes = await bytesFrom((out) => run.save(tag, out));
    await run.append(after);
    return run.logits(after.length - 1);
  });
  const again = await withRun(model, options, async (run) => {
    await prefill(run, tokens.slice(12, 44));
    await run.restore(stored(bytes), before);
    await run.append(after);
    return run.logits(after.length - 1);
  });
  expectSameBits(again, there, 'put back');
}

async function expectRowType(subject: Subject, cacheType: RowType): Promise<void> {
  const { tokens } = subject;
  const model = await subject.model();
  const options: RunOptions = { policy: 'streaming-llm', cacheType };
  const turned = { ...options, positions: 'compact' } as const;
  const ours = await runOf(model, tokens, turned);
  const reference = await runOf(await subject.model({ device: 'reference' }), tokens, turned);
  expectSameKept(ours, reference, 0, 'wasm and reference');
  expectNear(ours.logits, reference.logits, near(cacheType), 'reference');
  // (rows of few bits are turned less often, as they are rounded each time: not compared)
  const [plain, f32] = [
    await runOf(model, tokens, options),
    await runOf(model, tokens, { ...options, cacheType: 'f32' }),
  ];
  expectSameKept(plain, f32, 0, 'rows of f32');
  const isNear = rowTypes[cacheType].bits >= 8;
  expectNear(plain.logits, f32.logits, isNear ? 0.5 : Number.MAX_VALUE, 'rows of f32');
  await expectStored(subject, { policy: 'snapkv', cacheType });
}

export const rowFeatures: readonly Feature[] = rowTypeNames.map((name) => ({
  name,
  group: 'rows',
  promise: 'near f32 by its bits, equal to the f64 loops, stored and turned',
  check: (subject) => expectRowType(subject, name),
}));
