// Models with layers whose state is fixed in size, and can be cut nowhere, or which see others'
// rows through windows: what is taken back, not kept, stored or only rated leaves no trace, and a text far beyond the context goes on in the
// bytes that were promised.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RowType } from '../../src/backend/dtype.ts';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import { attentionIn } from '../../src/model/blocks/registry.ts';
import { prefill } from '../../src/engine/prefill.ts';
import { Run } from '../../src/engine/run.ts';
import { Stage } from '../../src/engine/stage.ts';
import { findPolicy } from '../../src/policy/registry.ts';
import { type Conversation, openConversation } from '../../src/session/conversation.ts';
import type { ConversationOptions } from '../../src/session/options.ts';
import { figuresOf } from '../model/figures.ts';
import { fixture } from '../fixtures.ts';
import { planOptions } from '../plan-options.ts';
import { bytesFrom, stored, tag } from '../stored-bytes.ts';

const names = ['qwen35', 'lfm2', 'granitehybrid', 'falcon-h1'] as const;
const CONTEXT = 160;

const load = (name: string, pipeline = 1) =>
  loadModel(fixture(`archs/${name}.gguf`), {
    ...{ contextLength: CONTEXT, device: 'wasm', threads: 1 },
    pipeline,
  });
const textOf = (name: string) => figuresOf(fixture(`archs/${name}.f64.json`)).text;
const tokensOf = (name: string) => figuresOf(fixture(`archs/${name}.f64.json`)).tokens;

async function ask(conversation: Conversation, question: string, keep: boolean): Promise<string> {
  let text = '';
  const options = { keep, template: false, maxTokens: 12, temperature: 0 };
  for await (const piece of conversation.ask(question, options)) text += piece;
  return text;
}

const common: ConversationOptions = { budget: 48, blockSize: 16 };
const kinds: Record<string, ConversationOptions> = {
  keydiff: { ...common, policy: 'keydiff' },
  snapkv: { ...common, policy: 'snapkv' },
  'patched prompts': { ...common, policy: 'kvzip', promptTokens: 12 },
  episodes: { ...common, policy: 'epicache', episodes: { count: 2 }, promptTokens: 12 },
  recall: { ...common, policy: 'keydiff', recall: 16 },
  compact: { ...common, policy: 'keydiff', positions: 'compact' },
};

const test = suite('hybrid models');
for (const name of [...names, 'gemma3n', 'gemma4', 'gpt-oss'])
  for (const [kind, options] of Object.entries(kinds))
    test(`${name}, ${kind}: a question that is not kept leaves no trace`, async () => {
      using model = await load(name);
      const lines = `${textOf(name)}\n`.match(/.{1,40}/gs)!.map((line) => `${line.trim()}\n`);
      const replies = async (asks: boolean): Promise<string[]> => {
        using conversation = openConversation(model, options);
        await conversation.add(lines);
        await conversation.flush();
        const found: string[] = [];
        // (no longer than the others: rows that have to go for its sake would not come back)
        if (asks) {
          const first = await ask(conversation, 'Eh?', false);
          assert.is(await ask(conversation, 'Eh?', false), first);
        }
        found.push(await ask(conversation, 'And then?', true));
        if (asks) await ask(conversation, 'Eh?', false);
        found.push(await ask(conversation, 'Why?', true));
        await conversation.add(lines.slice(0, 3));
        found.push(await ask(conversation, 'Where?', true));
        const { peakBytes, promisedBytes } = conversation.memory;
        assert.ok(peakBytes <= promisedBytes, `${peakBytes} of ${promisedBytes}`);
        return found;
      };
      assert.equal(await replies(true), await replies(false));
    });

for (const name of names)
  test(`${name}: all layers with rows compete for one budget, wherever they stand`, async () => {
    using model = await load(name);
    const options = { ...optionsOf(24), layers: 'global' as const };
    const run = new Run(model.executor, planRun(model.executor, options));
    let rows = 0;
    run.layers.onKept = (layer, heads) => {
      const own = heads.reduce((count, head) => count + head.length, 0);
      rows = run.plan.shape.keptRows.findIndex((kept) => kept > 4) === layer ? own : rows + own;
    };
    await prefill(run, tokensOf(name));
    const { kvHeads } = run.plan.shape;
    const heads = (kvHeads as readonly number[]).reduce((a, b) => a + b);
    assert.is(rows, (24 + 4) * heads);
    run.dispose();
  });

const optionsOf = (rows: number, rowType: RowType = 'f32') =>
  planOptions('keydiff', { budget: { tokens: rows }, blockSize: 16, rowType });

async function withRun<T>(
  model: Model,
  use: (run: Run) => Promise<T>,
  rowType?: RowType,
): Promise<T> {
  const run = new Run(model.executor, planRun(model.executor, optionsOf(40, rowType)));
  try {
    return await use(run);
  } finally {
    run.dispose();
  }
}

for (const name of names)
  for (const pipeline of [1, 2])
    test(`${name}, ${pipeline} stages: tokens that are taken back were never there`, async () => {
      using model = await load(name, pipeline);
      const tokens = tokensOf(name);
      const after = (extra: readonly number[]) =>
        withRun(model, async (run) => {
          await prefill(run, tokens.slice(0, 48));
          await run.append(tokens.slice(48, 53));
          for (const token of extra) await run.append([token]);
          await run.takeBack(extra.length);
          await run.append(tokens.slice(53, 56));
          return run.logits(2);
        });
      const plain = await after([]);
      for (const count of [1, 4, 9]) {
        const found = await after(tokens.slice(80, 80 + count));
        const off = found.map((x, i) => Math.abs(x - plain[i]));
        assert.ok(Math.max(...off) < 1e-4, `${Math.max(...off)} behind ${count}`);
      }
    });

for (const name of [...names, 'gemma4'])
  test(`${name}: what is stored holds the state, and goes on with the same bits`, async () => {
    const isWhole = name === 'gemma4';
    // (its layers' heads differ, and their grids with them)
    const rowType = isWhole ? 'kivi-int4' : 'f32';
    for (const pipeline of isWhole ? [1] : [1, 2]) {
      using model = await load(name, pipeline);
      const tokens = tokensOf(name);
      const goesOn = async (run: Run) => {
        await run.append(tokens.slice(64, 72));
        return run.logits(7);
      };
      let bytes: Uint8Array<ArrayBuffer>;
      const there = await withRun(
        model,
        async (run) => {
          await prefill(run, tokens.slice(0, 64));
          bytes = await bytesFrom((out) => run.save(tag, out));
          return goesOn(run);
        },
        rowType,
      );
      const again = await withRun(
        model,
        async (run) => {
          await prefill(run, tokens.slice(20, 60));
          await run.restore(stored(bytes), tokens.slice(0, 64));
          return goesOn(run);
        },
        rowType,
      );
      assert.equal(again, there);
    }
  });

for (const name of names)
  test(`${name}: a text of ten contexts stays in the bytes that were promised`, async () => {
    using model = await load(name);
    const tokens = tokensOf(name);
    const long = Array.from({ length: 10 * CONTEXT }, (_, i) => tokens[i % tokens.length]);
    await withRun(model, async (run) => {
      await prefill(run, long);
      await run.append(tokens.slice(0, 8));
      const logits = await run.logits(7);
      assert.ok(logits.every(Number.isFinite));
      assert.ok(run.position < CONTEXT);
      assert.ok(run.peakBytes <= run.plan.promisedBytes);
    });
  });
/** Tokens of all rows of layers that see the whole text, once a prompt of 24 rated 32 tokens, so many at a time. */
async function keptBy(model: Model, name: string, blockSize: number): Promise<number[][]> {
  const options = { ...optionsOf(20), policy: findPolicy('kvzip'), blockSize, promptTokens: 24 };
  const { transformer } = model.executor as LocalExecutor;
  const stage = new Stage(transformer, planRun(model.executor, options));
  const tokens = tokensOf(name);
  const flags = { rates: true, patched: true, evicts: true, compact: false, base: -1 };
  for (let at = 0; at < 32; at += 16) {
    const place = { position: at, token: at, count: 16, layerRows: 'layerRows' as const };
    const step = { ...flags, ...place, evicts: at > 0 };
    await stage.step(tokens.slice(at, at + 16), at > 0 ? tokens.slice(40, 64) : undefined, step);
  }
  const own = model.config.layerSpecs.flatMap((layer, l) => {
    const { window, rowsOf } = attentionIn(layer)!;
    return window === undefined && rowsOf === undefined ? [l] : [];
  });
  const heads = await Promise.all(own.map((l) => stage.cache.tokens(l)));
  stage.dispose();
  return heads.flat().map((head) => [...head]);
}

for (const name of ['gemma3n', 'gemma4'])
  test(`${name}: a prompt in pieces looks at the rows that it looks at as a whole`, async () => {
    using model = await load(name);
    const inPieces = await keptBy(model, name, 16);
    const whole = await keptBy(model, name, 24);
    assert.ok(whole.every(({ length }) => length > 0 && length < 32));
    assert.equal(inPieces, whole);
  });
test.run();
