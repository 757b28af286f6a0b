// Figures of two devices beside one another, and what a device could do by its limits.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Measurement } from '../../bench/case.ts';
import type { BenchRun } from '../../bench/report.ts';
import { besideOneAnother } from '../../bench/webgpu/compare.ts';
import { rooflineMs } from '../../bench/webgpu/model.ts';

const test = suite('bench webgpu');

const runOf = (name: string, sha256: string, measurements: Measurement[]): BenchRun => ({
  machine: 'a machine',
  date: '2026-01-01',
  limits: { tileGflops: 10, readGbs: 5 },
  peers: {},
  device: {
    name,
    isSoftware: false,
    abilities: ['subgroups'],
    bindingBytes: 2 ** 27,
    bufferBytes: 2 ** 28,
    copyBytes: 2 ** 28,
    runtime: 'Node 20',
    model: { name: 'm.gguf', bytes: 10, sha256 },
  },
  groups: [{ name: 'webgpu', summary: '', measurements }],
});
const decode = (rate: number, wasm: number): Measurement => ({
  name: 'decode',
  rate,
  unit: 'tokens/s',
  peers: [{ name: 'WASM', rate: wasm }],
});

test('every figure of either run has a line, with its ratio where both have it', () => {
  const a = runOf('one GPU', 'a', [decode(100, 40), { name: 'copy', rate: 5, unit: 'GB/s' }]);
  const text = besideOneAnother(a, runOf('another GPU', 'a', [decode(250, 20)]));
  assert.match(text, /A: a machine.*\n.*one GPU, subgroups.*\nB: a machine.*\n.*another GPU/);
  assert.match(text, /^webgpu: decode +100 +250 tokens\/s +2\.50 x$/m);
  assert.match(text, /^webgpu: decode, WASM +40 +20 tokens\/s +0\.50 x$/m);
  assert.match(text, /^webgpu: copy +5\.00 +- GB\/s$/m);
  assert.not.match(text, /not the same file/);
});

test('runs of different models say so', () => {
  const text = besideOneAnother(runOf('x', 'a', []), runOf('x', 'b', []));
  assert.match(text, /the models are not the same file/);
});

test('the roofline: bytes at 0.7 of copying, dispatches at 1.2 of an empty one', () => {
  const limits = { roundMs: 1, dispatchMs: 0.01, copyGbs: 100, peakGflops: 1 };
  const ms = rooflineMs(limits, { kernelBytes: 70e6, dispatches: 50 });
  assert.ok(Math.abs(ms - (1 + 0.6)) < 1e-9, `${ms}`);
});

test.run();
