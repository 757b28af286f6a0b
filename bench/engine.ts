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
import { bestOf, type EngineRate, nativeLlama, wllama } from './peers/engines.ts';
import { randomModel, SHAPE } from './random-model.ts';

const PROMPT = 512;
const REPLY = 64;
const BLOCK = 128;
const ROUNDS = 4;
const THREADS = [1, 2];
/** A prompt long enough that filling and emptying the pipeline is a small part of it. */
const LONG_PROMPT = 2048;
const PIPELINE = 2;

/**
 * Times that all sides take turns: neighbours on the machine slow it down for seconds or minutes.
 */
const PASSES = 2;

/**
 * Models beside one another, round by round, the best of each: neighbours only ever take speed
 * away.
 */
async function measure(models: readonly Model[], policy: string): Promise<EngineRate[]> {
  const evicts = policy !== 'full';
  let best = models.map(() => ({ prefill: 0, decode: 0 }) as EngineRate);
  for (let round = 0; round < ROUNDS; round++) {
    const now: EngineRate[] = [];
    for (const { executor } of models) {
      const plan = planRun(
        executor,
        planOptions(policy, {
          budget: { tokens: evicts ? 192 : PROMPT + 2 * BLOCK },
          blockSize: BLOCK,
        }),
      );
      const run = new Run(executor, plan);
      const tokens = Array.from(
        { length: PROMPT },
        (__, i) => (i * 7919 + round) % SHAPE.vocabulary,
      );
      let at = performance.now();
      for (let i = 0; i < PROMPT; i += BLOCK) await run.step(tokens.slice(i, i + BLOCK));
      const prefill = PROMPT / ((performance.now() - at) / 1000);
      at = performance.now();
      for (let i = 0; i < REPLY; i++) {
        await run.append([i]);
        await run.logits(0);
      }
      now.push({ prefill, decode: REPLY / ((performance.now() - at) / 1000) });
      run.dispose();
    }
    best = best.map((rate, i) => bestOf([rate, now[i]]));
  }
  return best;
}

/**
 * A long prompt through workers that own layers, beside one thread, round by round: neighbours take
 * speed from either.
 */
async function measurePipeline(path: string, alone: Model): Promise<Measurement> {
  const split = await loadModel(path, { pipeline: PIPELINE });
  const tokens = Array.from({ length: LONG_PROMPT }, (_, i) => (i * 7919) % SHAPE.vocabulary);
  const best = { alone: 0, split: 0 };
  for (let round = 0; round < ROUNDS; round++) {
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
    `reply; all sides in turn, best of ${ROUNDS * PASSES}`,
  async run(report) {
    const path = randomModel();
    report(loadInAProcess(path));
    const models: Model[] = [];
    for (const threads of THREADS) models.push(await loadModel(path, { threads }));
    const peers = {
      'llama.cpp, native': nativeLlama,
      'wllama, Chromium': wllama,
    };
    const task = { path, prompt: PROMPT, reply: REPLY, rounds: ROUNDS };
    let own = models.map((): EngineRate => ({ prefill: 0, decode: 0 }));
    const others = THREADS.map(() => new Map<string, EngineRate>());
    for (let pass = 0; pass < PASSES; pass++) {
      own = (await measure(models, 'full')).map((rate, i) => bestOf([rate, own[i]]));
      for (const [i, threads] of THREADS.entries()) {
        for (const [name, run] of Object.entries(peers)) {
          const rate = await run({ ...task, threads });
          if (rate) others[i].set(name, bestOf([rate, others[i].get(name) ?? rate]));
        }
      }
    }
    own = (await measure(models, 'full')).map((rate, i) => bestOf([rate, own[i]]));
    for (const [i, threads] of THREADS.entries()) {
      for (const what of ['prefill', 'decode'] as const) {
        report({
          name:
            `${what} ${what === 'prefill' ? PROMPT : REPLY}, ${threads} ` +
            `thread${threads > 1 ? 's' : ''}`,
          rate: own[i][what],
          unit: 'tokens/s',
          peers: [...others[i]].map(([name, rate]) => ({ name, rate: rate[what] })),
          note:
            threads > 1 ? `${(own[i][what] / own[0][what]).toFixed(2)} x one thread` : undefined,
        });
      }
    }
    for (const policy of ['snapkv', 'kvzip']) {
      const [{ prefill, decode }] = await measure(models.slice(0, 1), policy);
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
