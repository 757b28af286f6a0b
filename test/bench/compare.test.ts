// Two runs of the benches beside each other.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Measurement } from '../../bench/case.ts';
import { compareRuns, describeFall } from '../../bench/compare.ts';
import type { BenchRun } from '../../bench/report.ts';

const test = suite('bench compare');

/** A run of one group, measured in passes. */
const runOf = (...[measurements, ...again]: (readonly Measurement[])[]): BenchRun => ({
  machine: 'a machine',
  date: '2026-01-01',
  limits: { tileGflops: 10, readGbs: 5 },
  peers: {},
  groups: [{ name: 'kernels', summary: '', measurements, again }],
});
const shared = (share: number, rate = 3): Measurement => ({
  name: 'linear',
  rate,
  unit: 'GFLOP/s',
  share,
  limit: 'tile',
});
const timed = (ms: number, peerMs: number): Measurement => ({
  name: 'load',
  rate: ms,
  unit: 'ms',
  peers: [{ name: 'other', rate: peerMs }],
});

test('a ratio may lose a tenth, and a rate whatever the machine does', () => {
  const before = runOf([shared(0.5, 5)]);
  assert.equal(compareRuns(before, runOf([shared(0.46, 1)])), []);
  const [fall] = compareRuns(before, runOf([shared(0.44, 9)]));
  assert.is(describeFall(fall), 'fell: kernels: linear, tile: 0.50 -> 0.44');
});

test('fewer milliseconds are better, beside the peer of the same run', () => {
  const before = runOf([timed(100, 200)]);
  assert.equal(compareRuns(before, runOf([timed(150, 290)])), [], 'both got slower');
  assert.is(compareRuns(before, runOf([timed(100, 170)])).length, 1, 'the peer got faster');
});

test('the best of all passes counts, on both sides', () => {
  const once = runOf([shared(0.5)]);
  assert.equal(compareRuns(once, runOf([shared(0.3)], [shared(0.48)], [shared(0.2)])), []);
  assert.is(compareRuns(runOf([shared(0.4)], [shared(0.6)]), once).length, 1);
});

test('what only one of them has is not compared', () => {
  const other = runOf([{ ...shared(0.1), name: 'another' }, timed(900, 1)]);
  assert.equal(compareRuns(runOf([shared(0.5)]), other), []);
});

test.run();
