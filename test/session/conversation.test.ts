// What a user holds: adding, asking, memory, aborts, errors. Real model, real answers.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readDialogues } from '../../src/eval/datasets/registry.ts';
import { loadModel } from '../../src/engine/model.ts';
import { definePolicy } from '../../src/policy/define.ts';
import { policies } from '../../src/policy/registry.ts';
import { type Conversation, openConversation } from '../../src/session/conversation.ts';
import type { ConversationOptions, EpisodeSettings } from '../../src/session/options.ts';
import { profileOf } from '../../src/session/profile.ts';
import { bundled, tinyModel } from '../fixtures.ts';
import { smallLlama, writeGguf } from '../gguf-writer.ts';
import { rejects } from '../rejects.ts';

const test = suite('conversation');
const dialogues = readDialogues(readFileSync(bundled('conv-2k.jsonl'), 'utf8'), 'conv-2k.jsonl');
const [dialogue] = dialogues;
const lines = dialogue.turns.map((t) => t.line);
const rex =
  "Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I said, Ana's dog is called Rex.\n";
/** Enough episodes and medoids that every segment is covered (models/README.md). */
const thorough = { count: 8, medoids: 8, segmentTurns: 8 };
const question = "What is Ana's dog called?";

const withConversation = async (
  options: ConversationOptions,
  work: (c: Conversation) => Promise<void>,
) => {
  const model = await tinyModel();
  const before = model.backend.arena.usedBytes;
  {
    await using conversation = openConversation(model, options);
    await work(conversation);
    const { promisedBytes, peakBytes, promisedCacheBytes, peakCacheBytes } = conversation.memory;
    assert.ok(
      peakBytes <= promisedBytes && peakCacheBytes <= promisedCacheBytes,
      JSON.stringify(conversation.memory),
    );
  }
  assert.is(model.backend.arena.usedBytes, before, 'everything was freed');
};

test('text, asked about, streams an answer', async () => {
  await withConversation({ budget: 256 }, async (c) => {
    await c.add(rex);
    const pieces: string[] = [];
    const reply = c.ask(question);
    for await (const piece of reply) pieces.push(piece);
    assert.is(pieces.join('').trim(), 'Rex');
    assert.is(reply.finishReason, 'end');
    assert.is(await c.ask({ role: 'user', content: question }).text(), ' Rex');
  });
});

test('it answers about the beginning of a conversation eight times its budget', async () => {
  const count = 20;
  await withConversation({ budget: 265, policy: 'epicache', episodes: thorough }, async (c) => {
    await c.add(lines);
    let right = 0;
    for (const q of dialogue.questions.slice(0, count))
      right += (await c.ask(q.question, { keep: false }).text()).trim() === q.answer ? 1 : 0;
    assert.ok(right >= 0.8 * count, `${right} of ${count}`);
    assert.ok(c.statistics.episodes! > 1);
  });
});

test('every policy keeps to what it promised, in bytes that the user named, at prefill and while it replies', async () => {
  for (const { name } of policies.filter((p) => p.evicts)) {
    for (const heads of ['uniform', 'adaptive'] as const) {
      await withConversation(
        {
          budget: '4MB',
          policy: name,
          heads,
          blockSize: 64,
          promptTokens: name === 'epicache' ? 256 : undefined,
          episodes: { count: 2 },
        },
        async (c) => {
          assert.ok(
            c.memory.promisedBytes <= 4 * 2 ** 20 && c.memory.promisedBytes > 3.9 * 2 ** 20,
            String(c.memory.promisedBytes),
          );
          await c.add(lines.slice(0, 120));
          await c.ask(question, { maxTokens: 150 }).text();
          assert.ok(c.statistics.tokens > 1000);
        },
      );
    }
  }
});

test('questions asked with keep: false leave no trace; kept ones do', async () => {
  await withConversation({ budget: 300 }, async (c) => {
    await c.add(lines.slice(0, 20));
    await c.flush();
    const tokens = c.statistics.tokens;
    const first = await c.ask(question, { keep: false }).text();
    assert.is(c.statistics.tokens, tokens);
    assert.is(await c.ask(question, { keep: false }).text(), first);
    await c.ask(question).text();
    assert.ok(c.statistics.tokens > tokens);
  });
});

test('a conversation grows: adding and asking in turns, with and without episodes', async () => {
  for (const policy of ['keydiff', 'epicache'] as const) {
    await withConversation(
      { budget: 300, policy, blockSize: 128, episodes: thorough },
      async (c) => {
        for (let i = 0; i < 4; i++) {
          await c.add(lines.slice(40 * i, 40 * (i + 1)));
          await c.ask(dialogue.questions[i].question).text();
        }
        await c.add(rex);
        assert.is((await c.ask(question).text()).trim(), 'Rex', policy);
      },
    );
  }
});

test('rows of few bits: the same bytes hold more of them, and they answer', async () => {
  const kept: number[] = [];
  for (const cacheType of [
    'f32',
    'f16',
    'int8',
    'int4',
    'int3',
    'kivi-int4',
    'kivi-mixed2.5',
  ] as const) {
    await withConversation(
      { budget: '3.2MB', policy: 'keydiff', cacheType, blockSize: 64 },
      async (c) => {
        kept.push(c.statistics.budgetRows);
        await c.add(rex);
        await c.add(lines);
        assert.is((await c.ask(question).text()).trim(), 'Rex', cacheType);
      },
    );
  }
  const more = kept.map((rows) => rows / kept[0]);
  const rotated = more.slice(0, 5);
  assert.ok(
    rotated.every((m, i) => i === 0 || m > 1.1 * more[i - 1]),
    String(more),
  );
  // grids and unrounded rows take their bytes
  assert.ok(
    more.slice(5).every((m) => m > 1.3 * more[1] && m < more[4]),
    String(more),
  );
  for (const policy of ['epicache', 'h2o', 'defensivekv', 'expected-attention'] as const) {
    await withConversation(
      { budget: 265, policy, cacheType: 'int4', episodes: thorough, blockSize: 128 },
      async (c) => {
        await c.add([...lines, rex]);
        assert.is((await c.ask(question, { keep: false }).text()).trim(), 'Rex', policy);
      },
    );
  }
});

test('episodes follow a conversation that grows: segments join, caches catch up, clusters are made anew when it has outgrown them', async () => {
  await withConversation(
    { budget: 200, policy: 'epicache', blockSize: 128, episodes: thorough },
    async (c) => {
      await c.add(rex);
      await c.add(lines.slice(0, 160));
      await c.ask(question, { keep: false }).text();
      const { clusterings, segments } = c.episodes;
      assert.is(clusterings, 1);
      const before = segments.length;
      await c.add(lines.slice(160, 200));
      assert.is((await c.ask(question, { keep: false }).text()).trim(), 'Rex');
      assert.is(c.episodes.clusterings, 1, 'what was added joined');
      assert.ok(c.episodes.segments.length >= before + 4);
      const members = c.episodes.episodes.flatMap((e) => e.segments).sort((a, b) => a - b);
      assert.equal(members, [...members.keys()], 'every segment belongs to one episode');
      assert.is(members.length, c.episodes.segments.length);
      for (let i = 0; i < 3; i++) await c.add(dialogues[1].turns.map((t) => t.line));
      await c.ask(question, { keep: false }).text();
      assert.is(c.episodes.clusterings, 2, 'three times as long');
    },
  );
});

test('a question is answered from two episodes, or from one, in the same bytes of cache', async () => {
  for (const answerFrom of [1, 2] as const) {
    await withConversation(
      { budget: 200, policy: 'epicache', blockSize: 128, episodes: { ...thorough, answerFrom } },
      async (c) => {
        await c.add([rex, ...lines]);
        for (const keep of [false, true]) {
          assert.is((await c.ask(question, { keep }).text()).trim(), 'Rex');
          assert.is(c.statistics.answeredFrom.length, answerFrom);
        }
        assert.ok(c.memory.cacheBytes <= c.memory.promisedCacheBytes);
      },
    );
  }
  await withConversation({ budget: 200, policy: 'epicache', episodes: 'auto' }, async (c) => {
    await c.add([rex, ...lines]);
    await c.flush();
    assert.ok(c.statistics.episodes! >= 2 && c.statistics.episodes! <= 8);
  });
});

test('recall: what was evicted answers again, in no more bytes, and leaves nothing behind', async () => {
  const promised: number[] = [];
  for (const recall of [0, 64]) {
    await withConversation(
      { budget: 128, policy: 'streaming-llm', recall, blockSize: 128 },
      async (c) => {
        promised.push(c.memory.promisedCacheBytes);
        await c.add(rex);
        await c.add(lines);
        await c.flush();
        const { tokens } = c.statistics;
        const answers = [
          await c.ask(question, { keep: false }).text(),
          await c.ask(question, { keep: false }).text(),
        ].map((a) => a.trim());
        assert.is(answers[0] === 'Rex', recall > 0, answers[0]);
        assert.is(answers[1], answers[0]);
        assert.is(c.statistics.tokens, tokens);
        assert.is(c.statistics.recalledTokens > 0, recall > 0);
        assert.ok(c.statistics.recalledTokens <= recall);
        // kept, question and reply count once and what was recalled does not
        await c.ask(question).text();
        const turn = c.statistics.tokens - tokens;
        assert.ok(turn > 8 && turn < 24, String(turn));
        for (const q of dialogue.questions.slice(0, 12)) await c.ask(q.question).text();
        assert.is((await c.ask(question).text()).trim() === 'Rex', recall > 0);
      },
    );
  }
  assert.is(promised[1], promised[0]);
});

test('recall works with every policy that evicts, and takes at most half of the budget', async () => {
  for (const policy of policies.filter((p) => p.evicts).map((p) => p.name)) {
    await withConversation(
      { budget: 120, policy, recall: 1000, blockSize: 128, episodes: { count: 2 } },
      async (c) => {
        assert.is(c.statistics.recallRows, 60);
        await c.add(rex);
        await c.add(lines);
        assert.is((await c.ask(question, { keep: false }).text()).trim(), 'Rex', policy);
      },
    );
  }
});

test('a reply that outgrows its room goes on without what was recalled', async () => {
  await withConversation(
    { budget: 128, policy: 'keydiff', recall: 64, blockSize: 64 },
    async (c) => {
      await c.add(rex);
      await c.add(lines);
      await c.flush();
      // drawn at random, few replies end by themselves
      let [reason, said] = ['', 0];
      for (let seed = 0; reason !== 'length' && seed < 20; seed++) {
        const { tokens } = c.statistics;
        const reply = c.ask(question, { maxTokens: 300, temperature: 20, seed });
        await reply.text();
        reason = reply.finishReason!;
        said = c.statistics.tokens - tokens;
      }
      assert.is(reason, 'length');
      assert.ok(said > 300, String(said));
      assert.is(c.statistics.recalledTokens, 0);
      assert.is((await c.ask(question).text()).trim(), 'Rex');
    },
  );
});

test('messages go through the chat template', async () => {
  await withConversation({ budget: 300 }, async (c) => {
    await c.add([
      { role: 'system', content: rex },
      { role: 'user', content: 'Hi?' },
      { role: 'assistant', content: 'Lovely.' },
    ]);
    assert.is((await c.ask(question).text()).trim(), 'Rex');
  });
});

test('an aborted reply rejects with the reason, and the conversation is as it was', async () => {
  await withConversation({ budget: 300 }, async (c) => {
    await c.add(rex);
    await c.flush();
    const tokens = c.statistics.tokens;
    const reason = new Error('enough');
    const abort = new AbortController();
    await rejects(
      (async () => {
        for await (const _ of c.ask('Hi?', { signal: abort.signal, temperature: 3 }))
          abort.abort(reason);
      })(),
      'Error',
      /enough/,
    );
    assert.is(c.statistics.tokens, tokens);
    for await (const _ of c.ask('Hi?', { temperature: 3 })) break; // ended early: the same
    assert.is(c.statistics.tokens, tokens);
    await rejects(c.ask(question, { signal: AbortSignal.abort(reason) }).text(), 'Error', /enough/);
    await c.add('Mia: Lovely.\n');
    const waiting = c.statistics.tokens;
    await rejects(c.flush({ signal: AbortSignal.abort(reason) }), 'Error', /enough/);
    assert.is(c.statistics.tokens, waiting, 'what waited still waits');
    assert.is((await c.ask(question).text()).trim(), 'Rex');
  });
});

test('an abort between blocks loses nothing: what was not forwarded waits, and is answered about', async () => {
  for (const recall of [0, 64]) {
    await withConversation(
      { budget: 265, policy: 'keydiff', blockSize: 128, recall },
      async (c) => {
        const abort = new AbortController();
        await rejects(
          c.add([...lines, rex], {
            signal: abort.signal,
            onProgress: ({ doneTokens }) => void (doneTokens >= 256 && abort.abort()),
          }),
          'AbortError',
          /./,
        );
        const tokens = c.statistics.tokens;
        assert.ok(tokens > 2000, String(tokens));
        const again = new AbortController();
        await rejects(
          c.ask(question, { signal: again.signal, onProgress: () => again.abort() }).text(),
          'AbortError',
          /./,
        );
        assert.is(c.statistics.tokens, tokens);
        assert.is((await c.ask(question, { keep: false }).text()).trim(), 'Rex');
        assert.is(c.statistics.tokens, tokens);
      },
    );
  }
});

test('an abort while episodes are being made leaves a conversation that can still be asked', async () => {
  await withConversation({ budget: 265, policy: 'epicache', episodes: thorough }, async (c) => {
    await c.add(lines);
    await c.add(rex);
    const abort = new AbortController();
    let blocks = 0;
    await rejects(
      c
        .ask(question, {
          signal: abort.signal,
          onProgress: () => void (++blocks === 5 && abort.abort()),
        })
        .text(),
      'AbortError',
      /./,
    );
    assert.is((await c.ask(question).text()).trim(), 'Rex');
  });
});

test('an embedder of the user is used, and checked', async () => {
  const options = (embedder: EpisodeSettings['embedder']) => ({
    budget: 265,
    policy: 'epicache' as const,
    episodes: { count: 2, embedder },
  });
  let calls = 0;
  await withConversation(
    options(async (texts) => {
      calls++;
      return texts.map((t) => [t.length % 7, 1, t.includes('dog') ? 9 : 0]);
    }),
    async (c) => {
      await c.add(lines);
      await c.ask(question, { keep: false }).text();
      assert.ok(calls >= 2);
    },
  );
  const bad: [string, (texts: readonly string[]) => ArrayLike<number>[], RegExp][] = [
    [
      'NaN',
      (texts) => texts.map((_, i) => [1, i === 3 ? Number.NaN : 0]),
      /vector 3 has NaN at place 1: return finite numbers/,
    ],
    [
      'too few',
      (texts) => texts.slice(1).map(() => [1]),
      /vectors for \d+ texts: return one vector a text/,
    ],
    [
      'uneven',
      (texts) => texts.map((_, i) => new Array(i + 1).fill(1)),
      /vector 1 has 2 numbers, the first had 1/,
    ],
    ['nothing', () => undefined as never, /undefined for \d+ texts/],
  ];
  for (const [name, embedder, pattern] of bad) {
    await withConversation(options(embedder), async (c) => {
      await c.add(lines);
      await rejects(c.ask(question).text(), 'OptionError', pattern).catch((e: Error) => {
        throw new Error(`${name}: ${e.message}`);
      });
      assert.is(c.memory.cacheBytes, 0);
    });
  }
});

test('lines without a boundary between them take time in proportion', async () => {
  // (one after the other they took some 60 s)
  for (const line of ['\n', ' \n']) {
    await withConversation({ budget: 64, blockSize: 512 }, async (c) => {
      const stop = new AbortController();
      const begin = performance.now();
      const added = c.add(line.repeat(12_000), { signal: stop.signal });
      stop.abort(new Error('enough'));
      await rejects(added, 'Error', /enough/);
      assert.ok(performance.now() - begin < 10_000, `${performance.now() - begin} ms`);
      assert.equal(c.tokens, (await tinyModel()).tokenizer.encode(line.repeat(12_000)));
    });
  }
});

test('an embedder that never answers is waited for until the call is aborted, or disposed of', async () => {
  let waits = true;
  const embedder: EpisodeSettings['embedder'] = async (texts) => {
    if (waits) await new Promise(() => {});
    return texts.map((t) => [t.length % 7, 1, t.includes('dog') ? 9 : 0]);
  };
  const options = { budget: 265, policy: 'epicache', episodes: { count: 2, embedder } } as const;
  await withConversation(options, async (c) => {
    await c.add(lines);
    const stop = new AbortController();
    const asked = c.ask(question, { keep: false, signal: stop.signal }).text();
    const flushed = c.flush();
    setTimeout(() => stop.abort(new Error('enough')), 5);
    await rejects(asked, 'Error', /enough/);
    setTimeout(() => c.dispose(), 5);
    await rejects(flushed, 'OptionError', /disposed of/);
  });
  await withConversation(options, async (c) => {
    await c.add(lines);
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 5);
    const asked = c.ask(question, { keep: false, signal: stop.signal }).text();
    await rejects(asked, 'Error', /enough/);
    waits = false;
    assert.ok((await c.ask(question, { keep: false }).text()).length > 0);
  });
});

test('the model embeds too', async () => {
  await withConversation(
    { budget: 265, policy: 'epicache', episodes: { count: 4, embedder: 'model' } },
    async (c) => {
      await c.add(lines.slice(0, 150));
      await c.add(rex);
      assert.is((await c.ask(question).text()).trim(), 'Rex');
    },
  );
});

test('episodes on disk: the same answers, no bytes in memory, files gone afterwards', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-'));
  try {
    const answers: string[][] = [];
    for (const store of [undefined, join(folder, 'new', 'folder')]) {
      await withConversation(
        { budget: 200, policy: 'epicache', episodes: { count: 3, store } },
        async (c) => {
          await c.add(lines);
          await c.flush();
          const given: string[] = [];
          for (const q of dialogue.questions.slice(0, 6))
            given.push(await c.ask(q.question, { keep: false }).text());
          answers.push(given);
          assert.is(c.memory.storedBytes > 0, store === undefined);
          if (store) assert.is(readdirSync(store).length, 3);
        },
      );
      if (store) assert.equal(readdirSync(store), []);
    }
    assert.equal(answers[1], answers[0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a store that cannot be written says so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-'));
  const file = join(folder, 'file');
  writeFileSync(file, '');
  try {
    await withConversation(
      { budget: 200, policy: 'epicache', episodes: { count: 2, store: join(file, 'below') } },
      async (c) => {
        await c.add(lines);
        await rejects(
          c.ask(question).text(),
          'StoreError',
          /cannot be stored as .*choose a folder that can be written/,
        );
      },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('stored episodes that are damaged, cut, swapped or deleted are made again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-'));
  const damages: ((paths: string[]) => void)[] = [
    (paths) => paths.forEach((path) => writeFileSync(path, 'damaged')),
    (paths) => writeFileSync(paths[0], readFileSync(paths[0]).subarray(0, -5)),
    (paths) =>
      writeFileSync(
        paths[1],
        readFileSync(paths[1]).map((byte, i) => (i === 5000 ? byte ^ 1 : byte)),
      ),
    (paths) => paths.forEach((path) => rmSync(path)),
    (paths) => {
      const [a, b] = [readFileSync(paths[0]), readFileSync(paths[1])];
      writeFileSync(paths[0], b);
      writeFileSync(paths[1], a);
    },
  ];
  const asked = dialogue.questions.slice(0, 3);
  try {
    await withConversation(
      { budget: 200, policy: 'epicache', episodes: { count: 2, store: folder } },
      async (c) => {
        await c.add(lines.slice(0, 60));
        await c.flush();
        const answers = async () => {
          const out: string[] = [];
          for (const q of asked) out.push(await c.ask(q.question, { keep: false }).text());
          return out;
        };
        const right = await answers();
        for (const [i, damage] of damages.entries()) {
          damage(readdirSync(folder).map((name) => join(folder, name)));
          const before = c.statistics.episodesRemade;
          assert.equal(await answers(), right, `damage ${i}`);
          assert.ok(c.statistics.episodesRemade > before, `damage ${i}`);
        }
      },
    );
    assert.equal(readdirSync(folder), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a policy of one's own in a few lines", async () => {
  const everySecond = definePolicy({
    name: 'every-second',
    summary: 'even tokens first',
    score: ({ out, cached }, ops) =>
      ops.rateTokens(out, cached, (t) => (t % 2 === 0 ? 1 : 0) + t / 1e6),
  });
  await withConversation(
    { budget: 100, policy: everySecond, blockSize: 64, sinks: 0 },
    async (c) => {
      const kept: number[][] = [];
      c.onKept = (_, heads) => kept.push([...heads[0]]);
      await c.add(lines.slice(0, 60));
      await c.flush();
      assert.ok(kept.at(-1)!.every((t) => t % 2 === 0));
    },
  );
});

test('budgets that are too small say the smallest that works', async () => {
  const model = await tinyModel();
  try {
    openConversation(model, { budget: '1MB' });
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).name, 'BudgetError');
    const least = /Raise the budget to ([\d.]+ MB)/.exec((error as Error).message)![1];
    openConversation(model, { budget: least }).dispose();
  }
  const before = model.backend.arena.usedBytes;
  assert.throws(() => openConversation(model, { budget: '1KB', policy: 'epicache' }), /too small/);
  assert.throws(() => openConversation(model, { budget: 100, blockSize: 5000 }), /context of 4096/);
  assert.is(model.backend.arena.usedBytes, before);
});

test('options that are wrong are refused by name', async () => {
  const model = await tinyModel();
  const bad: [Partial<Record<keyof ConversationOptions | 'budgt', unknown>>, RegExp][] = [
    [{}, /budget is missing.*64MB/],
    [{ budget: 'big' }, /'big'/],
    [{ budget: 100, budgt: 1 }, /no option 'budgt' \(did you mean budget\?\); there are budget/],
    [{ budget: 100, policy: 'lru' }, /no policy 'lru'/],
    [{ budget: 100, heads: 'some' }, /heads is 'some'/],
    [{ budget: 100, layers: 'sensitivity' }, /needs the model's profile/],
    [{ budget: 100, layers: 'sensitivity', sensitivity: [1] }, /1 numbers, the model has 4/],
    [{ budget: 100, blockSize: 0 }, /blockSize is 0/],
    [{ budget: 100, sinks: -1 }, /sinks is -1/],
    [{ budget: 100, safeguard: 2 }, /safeguard is 2/],
    [{ budget: 100, cacheType: 'f64' }, /cacheType is 'f64'/],
    [{ budget: 100, episodes: { count: 0 } }, /episodes.count is 0/],
    [{ budget: 100, policy: 'epicache', episodes: { embedder: 'bert' } }, /no embedder 'bert'/],
  ];
  for (const [options, pattern] of bad) {
    assert.throws(
      () => openConversation(model, options as ConversationOptions),
      (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
      JSON.stringify(options),
    );
  }
});

test('nothing to add, nothing said, nothing asked, too much asked, too much at once', async () => {
  await withConversation({ budget: 300, blockSize: 64 }, async (c) => {
    await rejects(c.add(''), 'OptionError', /nothing to add/);
    await rejects(c.add([]), 'OptionError', /nothing to add/);
    await rejects(c.add([{ role: 'user' } as never]), 'OptionError', /\{ role, content \}/);
    await rejects(c.ask(question, { keep: false }).text(), 'OptionError', /conversation is empty/);
    await rejects(c.ask(' ').text(), 'OptionError', /question is empty/);
    await rejects(c.ask(question, { maxTokens: 0 }).text(), 'OptionError', /maxTokens is 0/);
    await c.add(rex);
    await rejects(
      c.ask('dog '.repeat(200)).text(),
      'ContextError',
      /tokens, a block holds 64: shorten it/,
    );
    const asking = c.ask(question).text();
    await rejects(c.add('x', { queue: false }), 'OptionError', /busy/);
    await asking;
    assert.is((await c.ask(question).text()).trim(), 'Rex');
  });
  const model = await tinyModel();
  const c = openConversation(model, { budget: 100 });
  c.dispose();
  c.dispose();
  await rejects(c.add('x'), 'OptionError', /disposed/);
});

test('a model without a chat template is asked in plain text, or says so', async () => {
  using model = await loadModel(writeGguf(smallLlama()));
  using c = openConversation(model, { budget: 16, blockSize: 8 });
  await c.add('the the the the the the');
  await rejects(c.ask('he').text(), 'UnsupportedError', /no chat template.*template: false/);
  assert.type(await c.ask('he', { template: false, maxTokens: 4 }).text(), 'string');
});

test('layer sensitivities are computed once, kept beside the model, and shared by', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'recollect-'));
  try {
    writeFileSync(join(folder, 'm.gguf'), readFileSync(bundled('recollect-tiny.gguf')));
    using model = await loadModel(join(folder, 'm.gguf'));
    const text = lines.join('');
    const first = await profileOf(model, text);
    assert.is(first.stored, join(folder, 'm.gguf.profile.json'));
    assert.is(first.profile.similarity.length, 4);
    // the first layer's keys come from embeddings alone: attention cannot change them
    assert.ok(
      first.profile.similarity[0] > 0.999999 &&
        first.profile.similarity.slice(1).every((s) => s > 0 && s < 1),
    );
    assert.equal((await profileOf(model, 'short')).profile, first.profile);
    using c = openConversation(model, {
      budget: 100,
      layers: 'sensitivity',
      sensitivity: first.profile.similarity,
    });
    assert.is(
      c.plan.layerRows.reduce((a, b) => a + b, 0),
      400,
    );
    assert.is(c.plan.layerRows[0], 25, 'a layer that is not sensitive gets the floor');
    writeFileSync(first.stored!, '{"similarity": [1]}');
    for (const [options, pattern] of [
      [{ frsh: true }, /^profileOf: no option 'frsh' \(did you mean fresh\?\)/],
      [{ fresh: 1 }, /^fresh is 1/],
      [{ signal: 5 }, /^signal is 5/],
      [{ onProgress: 'x' }, /^onProgress is 'x'/],
      [null, /^profileOf: options are null/],
    ] as const)
      await rejects(profileOf(model, 'the '.repeat(200), options as never), 'OptionError', pattern);
    await rejects(profileOf(model, 5 as never), 'OptionError', /^text is 5/);
    await rejects(profileOf(model, 'short'), 'OptionError', /1 tokens|at least 64/);
    if (process.getuid?.() !== 0) chmodSync(folder, 0o500);
    assert.ok(existsSync(first.stored!));
  } finally {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true });
  }
});
test.run();
