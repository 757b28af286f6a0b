// A model on a WebGPU device and on WASM, in turn: prefill, decode, what a token costs in counts,
// and how near decode is to what the device could do by its own limits.
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { DeviceUsage } from '../../src/backend/webgpu/usage.ts';
import type { WebgpuBackend } from '../../src/backend/webgpu/backend.ts';
import { decode } from '../../src/engine/decode.ts';
import { everything } from '../../src/engine/everything.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import { createSampler } from '../../src/engine/sampling/sampler.ts';
import { bundled } from '../../test/fixtures.ts';
import { agreeing, tokensFor } from '../../test/webgpu/best-tokens.ts';
import type { Measurement } from '../case.ts';
import type { DeviceLimits } from './limits.ts';

const BLOCK = 128;
/** Tokens that a device draws before they are read: replies that are compared differ by fours. */
const SHORT = 4;
const ROUNDS = 3;

/** Rounded shares of what was measured that a kernel may be expected to reach. */
const OF_COPYING = 0.7;
const OF_DISPATCH = 1.2;

export interface ModelTask {
  readonly path: string;
  readonly prompt: number;
  readonly reply: number;
}

/** The bundled model, where none is named. */
export const bundledModel = bundled('recollect-tiny.gguf');

/** What tells whether two runs had the same file. */
export function fileFacts(path: string): { name: string; bytes: number; sha256?: string } {
  const { size } = statSync(path);
  const facts = { name: basename(path), bytes: size };
  // hashing what does not fit one buffer is not worth its time: bytes and name have to do
  if (size > 2 ** 30) return facts;
  return { ...facts, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
}

interface Round {
  readonly prefillMs: number;
  readonly tokenMs: number;
  /** What a token and its share of a submission asked of the device. */
  readonly counts?: TokenCounts;
}

interface TokenCounts {
  readonly dispatches: number;
  readonly submissions: number;
  readonly kernelBytes: number;
  readonly readBytes: number;
  readonly made: number;
  /** Dispatches by the names of their kernels. */
  readonly byKernel: Readonly<Record<string, number>>;
}

const kernelsOf = (each: (of: (one: DeviceUsage) => number) => number, { byKernel }: DeviceUsage) =>
  Object.fromEntries(
    Object.keys(byKernel)
      .map((name): [string, number] => [name, each((u) => u.byKernel[name] ?? 0)])
      .filter(([, count]) => count > 0),
  );

const madeOf = ({ made }: DeviceUsage) => Object.values(made).reduce((a, b) => a + b, 0);

/** Prefill and two replies behind it, whose difference is that of their tokens. */
async function round(
  model: Model,
  usage: (() => DeviceUsage) | undefined,
  tokens: readonly number[],
  reply: number,
): Promise<Round> {
  const budget = { tokens: tokens.length + reply + BLOCK };
  const run = new Run(
    model.executor,
    planRun(model.executor, { ...everything, budget, blockSize: BLOCK }),
  );
  const last = tokens.length - 1;
  const sample = createSampler({ temperature: 0 });
  const how = { sample, endTokens: new Set<number>(), evict: false };
  const answer = async (maxTokens: number) => {
    const before = usage?.();
    const begin = performance.now();
    let drawn = 0;
    for await (const _ of decode(run, tokens.slice(last), { ...how, maxTokens })) drawn++;
    if (drawn !== maxTokens) throw new Error(`a reply of ${drawn} tokens, not ${maxTokens}`);
    const ms = performance.now() - begin;
    const after = usage?.();
    await run.rewind({ token: last }, tokens.slice(0, last));
    const per = (of: (one: DeviceUsage) => number) => (after ? of(after) - of(before!) : 0);
    return { ms, per };
  };
  try {
    const begin = performance.now();
    await prefill(run, tokens.slice(0, last));
    // the prompt is in once its last row was read
    await run.logits(0);
    const prefillMs = performance.now() - begin;
    await answer(reply); // all kernels and groups are there
    const [short, long] = [await answer(SHORT), await answer(SHORT + reply)];
    const each = (of: (one: DeviceUsage) => number) => (long.per(of) - short.per(of)) / reply;
    const counts = usage && {
      dispatches: each((u) => u.dispatches),
      submissions: each((u) => u.submissions),
      kernelBytes: each((u) => u.kernelBytes),
      readBytes: each((u) => u.readBytes),
      made: long.per(madeOf) + short.per(madeOf),
      byKernel: kernelsOf(each, usage()),
    };
    return { prefillMs, tokenMs: (long.ms - short.ms) / reply, counts };
  } finally {
    run.dispose();
  }
}

/** The times of the best rounds: neighbours only ever take speed away. */
const best = (rounds: readonly Round[]): Round => ({
  ...rounds[0],
  prefillMs: Math.min(...rounds.map(({ prefillMs }) => prefillMs)),
  tokenMs: Math.min(...rounds.map(({ tokenMs }) => tokenMs)),
});

/** Milliseconds of a token where the device does what it can. */
export const rooflineMs = (
  { copyGbs, dispatchMs }: DeviceLimits,
  { kernelBytes, dispatches }: Pick<TokenCounts, 'kernelBytes' | 'dispatches'>,
): number => kernelBytes / (OF_COPYING * copyGbs * 1e6) + dispatches * dispatchMs * OF_DISPATCH;

const count = (name: string, rate: number, unit: Measurement['unit'], note?: string) => ({
  name: `a token: ${name}`,
  rate,
  unit,
  note,
});

export async function measureModel(
  { path, prompt, reply }: ModelTask,
  limits: DeviceLimits,
  report: (m: Measurement) => void,
): Promise<void> {
  const device = await loadModel(path, { device: 'webgpu' });
  const wasm = await loadModel(path, { device: 'wasm', pipeline: 1 });
  const backend = device.backend as WebgpuBackend;
  const tokens = tokensFor(wasm, prompt, readFileSync(bundled('conv-2k.jsonl'), 'utf8'));
  const { same, of } = await agreeing(device, wasm, tokens);
  const rounds: [Round[], Round[]] = [[], []];
  for (let i = 0; i < ROUNDS; i++) {
    rounds[0].push(await round(device, () => backend.usage, tokens, reply));
    rounds[1].push(await round(wasm, undefined, tokens, reply));
  }
  const [own, other] = rounds.map(best);
  const counts = rounds[0][ROUNDS - 1].counts!;
  const name = `WASM, ${wasm.backend.threads} threads`;
  const perSecond = (count: number, ms: number) => (1000 * count) / ms;
  report({
    name: `prefill ${prompt} tokens`,
    rate: perSecond(prompt - 1, own.prefillMs),
    unit: 'tokens/s',
    peers: [{ name, rate: perSecond(prompt - 1, other.prefillMs) }],
  });
  const roofline = rooflineMs(limits, counts);
  report({
    name: `decode ${reply} tokens behind ${prompt}`,
    rate: perSecond(1, own.tokenMs),
    unit: 'tokens/s',
    share: roofline / own.tokenMs,
    limit: `the roofline (${roofline.toFixed(3)} of ${own.tokenMs.toFixed(3)} ms a token)`,
    peers: [{ name, rate: perSecond(1, other.tokenMs) }],
  });
  const kernels = Object.entries(counts.byKernel).map(([kernel, times]) => `${kernel} ${times}`);
  const layers = `${device.config.layers} layers: ${kernels.join(', ')}`;
  report(count('dispatches', counts.dispatches, 'count', layers));
  report(count('submissions', counts.submissions, 'count'));
  report(count('bytes read by kernels', counts.kernelBytes, 'bytes'));
  report(count('bytes read back', counts.readBytes, 'bytes'));
  report(count('objects made', counts.made, 'count'));
  report({
    name: `most probable token as on WASM, ${of} positions`,
    rate: (100 * same) / of,
    unit: '%',
  });
  report({
    name: 'memory of the device, at most',
    rate: backend.peakDeviceBytes,
    unit: 'bytes',
  });
  device.dispose();
  wasm.dispose();
}
