// Random steps over everything public: models, options, conversations, adds, questions, aborts,
// disposals, stores, threads, workers. Each conversation follows a script that its seed makes;
// scripts run side by side on shared models, in whatever order the event loop gives, and then each
// by itself: what they tell is the same, also where the first model is on a device and the other is
// not. Nothing but our errors is ever seen, no promise of bytes is passed, nothing stays reserved.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type RowType, rowTypeNames } from '../src/backend/dtype.ts';
import { type LoadOptions, loadModel, type Model } from '../src/engine/model.ts';
import type { Plan } from '../src/engine/plan.ts';
import { RecollectError } from '../src/errors.ts';
import { createRandom } from '../src/math/rng.ts';
import type { Message } from '../src/model/chat-template.ts';
import { policies } from '../src/policy/registry.ts';
import {
  type AskOptions,
  type Conversation,
  openConversation,
} from '../src/session/conversation.ts';
import type { ConversationOptions } from '../src/session/options.ts';
import { type MetadataValue, randomTensors, smallLlama, writeGguf } from './gguf-writer.ts';

const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
/** A system message goes into the first user turn, roles alternate, contents are trimmed. */
const FOLDED =
  "{% if messages[0]['role'] == 'system' %}{% set lead = messages[0]['content'] + '\\n\\n' %}{% set loop_messages = messages[1:] %}" +
  "{% else %}{% set lead = '' %}{% set loop_messages = messages %}{% endif %}{% for m in loop_messages %}" +
  "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}" +
  "{{ '<' + m['role'] + '>' }}{% if loop.first %}{{ lead }}{% endif %}{{ m['content'] | trim + '</' + m['role'] + '>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";
/** The last answer gets a thought, earlier ones lose it. */
const THINKING =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' }}{% if m['role'] == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}" +
  "{{ m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const templates = [undefined, CHATML, FOLDED, THINKING];

/** A llama of two layers with heads of 8 and a context of 256. */
export function machineModel(
  template: string | undefined,
  more: Record<string, MetadataValue> = {},
  tokens = 260,
): Uint8Array<ArrayBuffer> {
  const [D, F, Hq, Hkv, d] = [16, 24, 4, 2, 8];
  const tensor = randomTensors(7);
  const layer = (i: number) => [
    tensor(`blk.${i}.attn_norm.weight`, D),
    tensor(`blk.${i}.attn_q.weight`, D, Hq * d),
    tensor(`blk.${i}.attn_k.weight`, D, Hkv * d),
    tensor(`blk.${i}.attn_v.weight`, D, Hkv * d),
    tensor(`blk.${i}.attn_output.weight`, Hq * d, D),
    tensor(`blk.${i}.ffn_norm.weight`, D),
    tensor(`blk.${i}.ffn_gate.weight`, D, F),
    tensor(`blk.${i}.ffn_up.weight`, D, F),
    tensor(`blk.${i}.ffn_down.weight`, F, D),
  ];
  return writeGguf(
    smallLlama({
      metadata: {
        'llama.context_length': 256,
        'llama.embedding_length': D,
        'llama.block_count': 2,
        'llama.feed_forward_length': F,
        'llama.attention.head_count': Hq,
        'llama.attention.head_count_kv': Hkv,
        'llama.attention.key_length': d,
        'llama.attention.value_length': d,
        'tokenizer.chat_template': template,
        ...more,
      },
      tensors: () => [
        tensor('token_embd.weight', D, tokens),
        tensor('output_norm.weight', D),
        ...layer(0),
        ...layer(1),
      ],
    }),
  );
}
export const files = templates.map((template) => machineModel(template));
/** How the models that conversations share are loaded: by threads, or on a device. */
const loads = {
  wasm: [{ threads: 1 }, { threads: 2 }, { pipeline: 2 }],
  webgpu: [{ device: 'webgpu' }],
} satisfies Record<string, readonly LoadOptions[]>;

type Random = () => number;
const whole = (random: Random, least: number, most: number) =>
  least + Math.floor(random() * (most - least + 1));
const oneOf = <T>(random: Random, items: readonly T[]): T =>
  items[Math.floor(random() * items.length)];
const words = [
  'the',
  'dog',
  'Rex',
  'is',
  'there',
  'he',
  'ate',
  'blue',
  'ünï',
  '\u4f60\u597d',
  '7',
  '42',
  '\n',
  '\n\n',
  '  ',
  '.',
  '<|end|>',
  "don't",
];
const textOf = (random: Random, most: number) =>
  Array.from({ length: whole(random, 1, most) }, () => oneOf(random, words)).join(
    random() < 0.8 ? ' ' : '',
  );

function optionsOf(
  random: Random,
  store: string,
  rowTypes: readonly RowType[],
): ConversationOptions {
  const policy = oneOf(random, policies);
  const patched = policy.observe.queries === 'patched';
  return {
    budget: whole(random, 6, 90),
    blockSize: random() < 0.2 ? whole(random, 4, 16) : whole(random, 24, 80),
    policy: policy.name,
    ...(random() < 0.3 && { heads: oneOf(random, ['uniform', 'adaptive'] as const) }),
    ...(random() < 0.3 && { layers: oneOf(random, ['uniform', 'pyramid', 'global'] as const) }),
    ...(policy.layers === 'sensitivity' && { sensitivity: [0.4, 0.9] }),
    ...(random() < 0.4 && { cacheType: oneOf(random, rowTypes) }),
    ...(random() < 0.3 && { positions: oneOf(random, ['auto', 'original', 'compact'] as const) }),
    ...(random() < 0.3 && { recall: whole(random, 1, 24) }),
    ...(random() < 0.3 && { sinks: whole(random, 0, 6) }),
    ...(patched && { promptTokens: whole(random, 4, 40), instructions: random() < 0.3 }),
    ...(random() < 0.6 && {
      episodes: {
        count: oneOf(random, [1, 2, 3, 'auto'] as const),
        segmentTurns: whole(random, 1, 3),
        ...(random() < 0.3 && { store }),
      },
    }),
    seed: whole(random, 0, 9),
  };
}

/** A conversation's life, as its seed has it: what was said to it, and what it said, in lines. */
export async function live(
  model: Model,
  seed: number,
  store: string,
  aborts: boolean,
  rowTypes: readonly RowType[] = rowTypeNames,
): Promise<string[]> {
  const random = createRandom(seed);
  const told: string[] = [];
  const options = optionsOf(random, store, rowTypes);
  let c: Conversation;
  try {
    c = openConversation(model, options);
  } catch (error) {
    return [failure(error)];
  }
  const steps = whole(random, 2, 9);
  for (let i = 0; i < steps; i++) {
    // drawn before anything is awaited, so that the script is the seed's alone
    const kind = random();
    const own = createRandom(whole(random, 0, 2 ** 30));
    const turns = whole(random, 0, 12);
    for (let t = 0; t < turns; t++) await null;
    try {
      told.push(await step(c, kind, own, aborts));
    } catch (error) {
      told.push(failure(error));
    }
    const { memory, tokens, statistics } = c;
    assert.ok(memory.peakBytes <= memory.promisedBytes, `seed ${seed}: ${JSON.stringify(memory)}`);
    assert.ok(
      memory.peakCacheBytes <= memory.promisedCacheBytes,
      `seed ${seed}: ${JSON.stringify(memory)}`,
    );
    assert.is(statistics.tokens, tokens.length);
    told.push(
      `${tokens.length} tokens, ${tokens.reduce((sum, id, at) => (sum * 31 + id + at) | 0, 7)}`,
    );
  }
  if (random() < 0.5) await c[Symbol.asyncDispose]();
  else c.dispose();
  return told;
}

function failure(error: unknown): string {
  if (error instanceof RecollectError || (error as Error).name === 'AbortError')
    return `${(error as Error).name}: ${(error as Error).message.slice(0, 40)}`;
  throw error;
}

async function step(
  c: Conversation,
  kind: number,
  random: Random,
  aborts: boolean,
): Promise<string> {
  const abort = new AbortController();
  const { signal } = abort;
  const blocks = random() < 0.15 ? whole(random, 0, 4) : Number.POSITIVE_INFINITY;
  let seen = 0;
  // (workers have begun other blocks by then: what is heard of an abort depends on them)
  const options = { signal, onProgress: () => void (aborts && seen++ >= blocks && abort.abort()) };
  if (kind < 0.25) {
    await c.add(textOf(random, 60), options);
    return 'text';
  }
  if (kind < 0.35) {
    await c.add(
      Array.from({ length: whole(random, 1, 6) }, () => `${textOf(random, 12)}\n`),
      options,
    );
    return 'lines';
  }
  if (kind < 0.5) {
    const roles =
      random() < 0.7 ? ['user', 'assistant'] : ['system', 'user', 'assistant', 'user', 'tool'];
    await c.add(
      roles
        .slice(0, whole(random, 1, roles.length))
        .map((role): Message => ({ role, content: textOf(random, 10) })),
      options,
    );
    return 'messages';
  }
  if (kind < 0.55) {
    await c.flush(options);
    return 'flush';
  }
  if (kind < 0.57) {
    c.dispose();
    return 'disposed of';
  }
  const asking: AskOptions = {
    maxTokens: whole(random, 1, 30),
    keep: random() < 0.5,
    template: random() < 0.6,
    temperature: random() < 0.5 ? 0 : 1.5,
    topK: oneOf(random, [0, 1, 40]),
    topP: oneOf(random, [1, 0.9]),
    seed: whole(random, 0, 99),
    signal,
  };
  const reply = c.ask(textOf(random, 8), asking);
  if (kind < 0.75) return `${await reply.text()} ${reply.finishReason}`;
  if (kind < 0.8)
    return all([
      reply.text(),
      c.ask('again?', { ...asking, maxTokens: 3 }).text(),
      c.add('beside'),
      reply.text(),
    ]);
  const most = whole(random, 1, 12);
  let text = '';
  let pieces = 0;
  for await (const piece of reply) {
    text += piece;
    if (++pieces < most) continue;
    if (kind < 0.87) break;
    if (kind < 0.95) abort.abort();
    else if (kind < 0.97) c.dispose();
  }
  return `${text} ${reply.finishReason}`;
}

/** What all of them give; where one is refused, the first refusal, once all have ended. */
async function all(calls: readonly Promise<unknown>[]): Promise<string> {
  await Promise.allSettled(calls);
  return (await Promise.all(calls)).join('|');
}

/** Steps and extensions that layers were asked for. */
function counting(model: Model, count: () => void): Model {
  const { executor } = model;
  const open = executor.open.bind(executor);
  executor.open = (plan: Plan) => {
    const layers = open(plan);
    for (const name of ['step', 'append'] as const) {
      const own = layers[name].bind(layers) as (...given: unknown[]) => Promise<void>;
      Object.assign(layers, {
        [name]: (...given: unknown[]) => {
          count();
          return own(...given);
        },
      });
    }
    return layers;
  };
  return model;
}

export interface MachineReport {
  readonly steps: number;
  readonly conversations: number;
  readonly models: number;
}

/** Runs until so many engine steps were made. Throws what should not have been, with its seed. */
export async function runMachine(
  steps: number,
  seed: number,
  progress?: (report: MachineReport) => void,
  device: keyof typeof loads = 'wasm',
): Promise<MachineReport> {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-machine-'));
  let [made, conversations, models] = [0, 0, 0];
  const count = () => void made++;
  try {
    for (let round = 0; made < steps; round++) {
      const random = createRandom(seed * 1_000_003 + round);
      const file = files[round % files.length];
      const ways: readonly LoadOptions[] = loads[device];
      const load = ways[Math.floor(round / files.length) % ways.length];
      const aborts = load.pipeline === undefined;
      const seeds = Array.from({ length: whole(random, 2, 6) }, () => whole(random, 0, 2 ** 30));
      const model = counting(await loadModel(file, load), count);
      const { backend, config } = model;
      const before = backend.arena.usedBytes;
      const rowTypes = rowTypeNames.filter((type) => backend.supportsRows(type, config.headDim));
      const together = await Promise.all(
        seeds.map((own) => live(model, own, join(folder, 'together'), aborts, rowTypes)),
      );
      assert.is(model.backend.name, device, `round ${round} of seed ${seed}: where it ran`);
      assert.is(
        model.backend.arena.usedBytes,
        before,
        `round ${round} of seed ${seed}: something stays reserved`,
      );
      model.dispose();
      const another = counting(await loadModel(file, { device: 'wasm', threads: 1 }), count);
      for (const [i, own] of seeds.entries()) {
        if (load.pipeline && together[i][0].includes("layers 'global'")) continue; // refused there
        const alone = await live(another, own, join(folder, 'alone'), aborts, rowTypes);
        assert.equal(
          together[i],
          alone,
          `round ${round} of seed ${seed}, conversation ${own}, ${JSON.stringify(load)}`,
        );
      }
      another.dispose();
      conversations += 2 * seeds.length;
      models += 2;
      progress?.({ steps: made, conversations, models });
    }
    for (const place of ['together', 'alone']) {
      const left = (() => {
        try {
          return readdirSync(join(folder, place));
        } catch {
          return [];
        }
      })();
      assert.equal(left, [], 'files of episodes were left');
    }
    return { steps: made, conversations, models };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// as a command: node build/js/test/machine.js STEPS SEED [webgpu]
if (process.argv[1]?.endsWith('machine.js')) {
  const [steps = '1000000', seed = '1', device = 'wasm'] = process.argv.slice(2);
  if (device !== 'wasm' && device !== 'webgpu') throw new Error(`no device '${device}'`);
  let told = performance.now();
  const heard = (so: MachineReport) => {
    if (performance.now() - told < 10_000) return;
    told = performance.now();
    console.log(
      `${so.steps} steps, ${so.conversations} conversations, ${so.models} models, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MB`,
    );
  };
  const report = await runMachine(Number(steps), Number(seed), heard, device);
  console.log(
    `${report.steps} engine steps, ${report.conversations} conversations, ${report.models} models: nothing that should not be`,
  );
}
