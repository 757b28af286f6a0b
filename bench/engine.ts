// The whole engine on a 135M-parameter llama in Q8_0 (30 layers, 576 wide, 9 and 3 heads of 64,
// feed-forward 1536, vocabulary 49152), beside llama.cpp native and in WebAssembly on the same
// file.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { planRun } from '../src/engine/plan.ts';
import { prefill } from '../src/engine/prefill.ts';
import { Run } from '../src/engine/run.ts';
import { loadModel, type Model } from '../src/engine/model.ts';
import { planOptions } from '../test/plan-options.ts';
import type { BenchGroup, Measurement } from './case.ts';
import { besideOthers, THREADS } from './beside.ts';
import { BLOCK, ownEngine } from './own-engine.ts';
import { inTurn } from './peers/engines.ts';
import { randomModel, SHAPE } from './random-model.ts';

const PROMPT = 512;
const REPLY = 64;
const ROUNDS = 8;
/** A prompt long enough that filling and emptying the pipeline is a small part of it. */
const LONG_PROMPT = 2048;
const PIPELINE = 2;

/**
 * A long prompt through workers that own layers, beside one thread, round by round: neighbours take
 * speed from either.
 */
async function measurePipeline(path: string, alone: Model): Promise<Measurement> {
  const split = await loadModel(path, { pipeline: PIPELINE });
  const tokens = Array.from({ length: LONG_PROMPT }, (_, i) => (i * 7919) % SHAPE.vocabulary);
  const best = { alone: 0, split: 0 };
  for (let round = 0; round < ROUNDS / 2; round++) {
    for (const [name, model] of [
      ['alone', alone],
      ['split', split],
    ] as const) {
      const run = new Run(
        model.executor,
        planRun(
          model.executor,
          planOptions('snapkv', { budget: { tokens: 192 }, blockSize: BLOCK }),
        ),
      );
      const begin = performance.now();
      await prefill(run, tokens);
      best[name] = Math.max(best[name], LONG_PROMPT / ((performance.now() - begin) / 1000));
      run.dispose();
    }
  }
  split.dispose();
  return {
    name: `prefill ${LONG_PROMPT}, snapkv to 192 rows, pipeline of ${PIPELINE} workers`,
    rate: best.split,
    unit: 'tokens/s',
    note: `${(best.split / best.alone).toFixed(2)} x one thread`,
  };
}

/**
 * Loading, a session of 1024 rows and a prompt, in a process of its own: its memory at its fullest
 * beside the file's bytes and what was promised.
 */
function loadInAProcess(path: string): Measurement {
  const code = `
    import { loadModel } from '${new URL('../src/engine/model.js', import.meta.url).href}';
    import { openConversation } from '${new URL('../src/session/conversation.js', import.meta.url).href}';
    const before = process.resourceUsage().maxRSS * 1024;
    const begin = performance.now();
    const model = await loadModel(process.argv[1], { threads: 1 });
    const ms = performance.now() - begin;
    const loaded = process.resourceUsage().maxRSS * 1024 - before;
    const conversation = openConversation(model, { budget: 1024, policy: 'snapkv' });
    await conversation.add(Array.from({ length: 1500 }, (_, i) => 'abcdefghijklmnopqrs'[(i * 7) % 19]).join(''));
    const peak = process.resourceUsage().maxRSS * 1024 - before;
    console.log(JSON.stringify({ ms, loaded, peak, promised: conversation.memory.promisedBytes }));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', code, path], {
    encoding: 'utf8',
  });
  const { ms, loaded, peak, promised } = JSON.parse(output) as Record<
    'ms' | 'loaded' | 'peak' | 'promised',
    number
  >;
  const file = statSync(path).size;
  return {
    name: 'load',
    rate: ms,
    unit: 'ms',
    note:
      `process grew by ${(loaded / file).toFixed(2)} x the file, with a conversation to ` +
      `${(peak / (file + promised)).toFixed(2)} x file and promise`,
  };
}

export const engine: BenchGroup = {
  name: 'engine',
  summary:
    `135M-parameter llama in Q8_0: load, ${PROMPT}-token prompt, ${REPLY} tokens of ` +
    `reply; all sides in turn, best of ${ROUNDS}`,
  async run(report) {
    const path = randomModel();
    report(loadInAProcess(path));
    const models: Model[] = [];
    for (const threads of THREADS) models.push(await loadModel(path, { threads }));
    const task = { path, prompt: PROMPT, reply: REPLY };
    await besideOthers(report, models, { ...task, rounds: ROUNDS });
    for (const policy of ['snapkv', 'kvzip']) {
      const [{ prefill, decode }] = await inTurn([ownEngine(models[0], task, policy)], ROUNDS / 2);
      report({
        name: `prefill ${PROMPT}, ${policy} to 192 rows, 1 thread`,
        rate: prefill,
        unit: 'tokens/s',
      });
      report({
        name: `decode ${REPLY}, ${policy} to 192 rows, 1 thread`,
        rate: decode,
        unit: 'tokens/s',
      });
    }
    report(await measurePipeline(path, models[0]));
    for (const model of models) model.dispose();
  },
};
