// One reply, disturbed at every turn of the event loop by everything that can be done to a model
// and its conversations meanwhile: it stays what it is undisturbed, or ends with an error of ours
// where the disturbance was meant for it; whoever comes after answers as if nothing had been.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LoadOptions, loadModel, type Model } from '../../src/engine/model.ts';
import { profileModel } from '../../src/engine/profile.ts';
import { RecollectError } from '../../src/errors.ts';
import { definePolicy } from '../../src/policy/define.ts';
import { findPolicy } from '../../src/policy/registry.ts';
import {
  type AskOptions,
  type Conversation,
  openConversation,
} from '../../src/session/conversation.ts';
import { fixture } from '../fixtures.ts';
import { rejects } from '../rejects.ts';

const test = suite('schedule');
const file = new Uint8Array(readFileSync(fixture('llama-f32.gguf')));
const options = { budget: 40, blockSize: 16 };
const asking: AskOptions = { template: false, maxTokens: 12, keep: false, temperature: 1, seed: 3 };
const history = 'Ana has a dog. It is called Rex, and it is brown. ';

/**
 * What happens beside the reply: to the model, to the conversation `other`, or (the last ones) to
 * the one that replies.
 */
type Disturbance = (
  model: Model,
  other: Conversation,
  own: Conversation,
  abort: AbortController,
) => unknown;
const disturbances: Record<string, Disturbance> = {
  'one is opened for which the memory grows': (model) =>
    openConversation(model, { budget: 30000, blockSize: 16 }),
  'one is opened and disposed of': (model) =>
    openConversation(model, { budget: 3000, blockSize: 64 }).dispose(),
  'one cannot be opened': async (model) => {
    const opened = async () => openConversation(model, { budget: 1e9, blockSize: 16 }).flush();
    await opened().then(
      () => assert.is(model.executor.layerRanges.length, 2, 'workers tell later'),
      ended,
    );
  },
  'another takes text in': (_, other) => other.add(history.repeat(3)),
  'another is asked': (_, other) => other.ask('cat', asking).text(),
  'another is asked and broken off': async (_, other) => {
    for await (const piece of other.ask('cat', asking)) if (piece) break;
  },
  'another is asked and aborted': (_, other) => {
    const stop = new AbortController();
    const asked = other.ask('cat', { ...asking, signal: stop.signal }).text();
    void Promise.resolve().then(() => stop.abort());
    return asked.catch((error: Error) => assert.is(error.name, 'AbortError'));
  },
  'another is disposed of in the middle of its reply': async (model, other) => {
    const asked = other.ask('cat', asking).text();
    await null;
    other.dispose();
    await asked.then(() => assert.unreachable(), ended);
    return openConversation(model, options).add(history);
  },
  'another is disposed of in the middle of an add': async (model, other) => {
    const added = other.add(history.repeat(4));
    await null;
    other.dispose();
    await added.then(() => assert.unreachable(), ended);
    return openConversation(model, options).add(history);
  },
  'it is asked again': (_, __, own) => own.ask('cat', asking).text(),
  'it takes more text in': (_, __, own) => own.add(' And a cat. '),
};
const ownEnd: Record<string, Disturbance> = {
  'it is disposed of': (_, __, own) => own.dispose(),
  'it is aborted': (_, __, ___, abort) => abort.abort(),
};

function ended(error: Error): void {
  assert.ok(error instanceof RecollectError || error.name === 'AbortError', `${error.stack}`);
}

/** Turns of the event loop: promises' first, timers' then. */
async function turns(count: number, timers: boolean): Promise<void> {
  for (let i = 0; i < count; i++)
    await (timers ? new Promise((resolve) => setTimeout(resolve, 0)) : null);
}

interface Place {
  readonly turns: number;
  readonly timers: boolean;
}

/** The reply, with a disturbance at a place; and one of a conversation that comes after. */
async function reply(
  model: Model,
  disturb: Disturbance | undefined,
  place: Place,
): Promise<{ text: string; after: string }> {
  const own = openConversation(model, options);
  const other = openConversation(model, options);
  await own.add(history);
  await own.flush();
  await other.add(history);
  const abort = new AbortController();
  const meanwhile = (async () => {
    if (!disturb) return;
    await turns(place.turns, place.timers);
    await disturb(model, other, own, abort);
  })();
  const text = await own
    .ask('dog', { ...asking, signal: abort.signal })
    .text()
    .catch((error: Error) => {
      ended(error);
      return error.name;
    });
  await meanwhile;
  const next = openConversation(model, options);
  await next.add(history);
  const after = await next.ask('dog', asking).text();
  for (const c of [next, other, own]) c.dispose();
  return { text, after };
}

const kinds: [name: string, load: LoadOptions, places: Place[]][] = [
  ['one thread', { threads: 1 }, [...range(0, 70, 1, false), ...range(0, 6, 1, true)]],
  ['two threads', { threads: 2 }, [...range(0, 60, 6, false), ...range(0, 4, 2, true)]],
  ['two workers', { pipeline: 2 }, [...range(0, 24, 8, false), ...range(1, 12, 3, true)]],
];

function range(first: number, end: number, step: number, timers: boolean): Place[] {
  return Array.from({ length: Math.ceil((end - first) / step) }, (_, i) => ({
    turns: first + i * step,
    timers,
  }));
}

for (const [name, load, places] of kinds) {
  test(`nothing done beside a reply changes it: ${name}`, async () => {
    const alone = await withModel(load, (model) => reply(model, undefined, places[0]));
    assert.ok(alone.text.length > 0);
    for (const [what, disturb] of Object.entries(disturbances)) {
      await withModel(load, async (model) => {
        for (const place of places) {
          const { text, after } = await reply(model, disturb, place);
          assert.is(text, alone.text, `${what}, at ${JSON.stringify(place)}`);
          assert.is(after, alone.after, `after ${what}, at ${JSON.stringify(place)}`);
        }
      });
    }
  });

  test(`what ends a reply ends it clearly, and disturbs nobody: ${name}`, async () => {
    const alone = await withModel(load, (model) => reply(model, undefined, places[0]));
    for (const [what, disturb] of Object.entries(ownEnd)) {
      let broken = 0;
      await withModel(load, async (model) => {
        for (const place of places) {
          const { text, after } = await reply(model, disturb, place);
          assert.ok(
            [alone.text, 'OptionError', 'AbortError'].includes(text),
            `${what}, at ${JSON.stringify(place)}: ${text}`,
          );
          if (text !== alone.text) broken++;
          assert.is(after, alone.after, `after ${what}, at ${JSON.stringify(place)}`);
        }
      });
      assert.ok(broken > 0, `${what}: never in time`);
    }
  });
}

/** Loads a model anew (its memory is then as small as it gets); everything is freed at the end. */
async function withModel<T>(load: LoadOptions, work: (model: Model) => Promise<T>): Promise<T> {
  const model = await loadModel(file, load);
  try {
    return await work(model);
  } finally {
    model.dispose();
  }
}

test('a model that was disposed of ends whoever uses it, at every turn', async () => {
  for (const load of [{ threads: 1 }, { threads: 2 }, { pipeline: 2 }] as const) {
    for (const place of range(0, 30, 5, false)) {
      const model = await loadModel(file, load);
      const c = openConversation(model, options);
      await c.add(history);
      const asked = c.ask('dog', asking).text();
      await turns(place.turns, place.timers);
      model.dispose();
      await asked.then(
        (text) => assert.ok(text.length > 0),
        (error: Error) => {
          assert.is(error.name, 'DeviceError', error.stack);
          assert.match(error.message, /disposed of: load it again/);
        },
      );
      for (const work of [
        () => c.ask('dog', asking).text(),
        () => c.add('x'),
        async () => openConversation(model, options),
      ]) {
        await work().then(
          () => assert.unreachable(),
          (error: Error) => assert.is(error.name, 'DeviceError', error.stack),
        );
      }
      c.dispose();
    }
  }
});

test('a listener of steps may dispose of its conversation, or of the model', async () => {
  for (const load of [{ threads: 1 }, { threads: 2 }, { pipeline: 2 }] as const) {
    const model = await loadModel(file, load);
    const c = openConversation(model, options);
    c.onKept = () => c.dispose();
    await rejects(c.add(history.repeat(3)), 'OptionError', /the conversation was disposed of/);
    const other = openConversation(model, options);
    other.onKept = () => model.dispose();
    await rejects(other.add(history.repeat(3)), 'DeviceError', /the model was disposed of/);
  }
});

test('what a listener of steps throws is heard, and the conversation goes on', async () => {
  for (const load of [{ threads: 1 }, { pipeline: 2 }] as const) {
    const model = await loadModel(file, load);
    const answer = async (listen: boolean) => {
      const c = openConversation(model, options);
      if (listen)
        c.onKept = () => {
          throw new RangeError('of the listener');
        };
      const added = c.add(history.repeat(3));
      if (listen) await rejects(added, 'RangeError', /of the listener/);
      c.onKept = undefined;
      await added.catch(() => {});
      await c.flush();
      try {
        return await c.ask('dog', asking).text();
      } finally {
        c.dispose();
      }
    };
    assert.is(await answer(true), await answer(false));
    model.dispose();
  }
});

test('a step that ends in the middle is the last of its conversation, and of no other', async () => {
  const model = await loadModel(file, { threads: 1 });
  let calls = 0;
  const policy = definePolicy({
    name: 'fails',
    summary: 'a score that throws in the middle of a step',
    score: (view, ops) => {
      if (++calls === 2) throw new RangeError('of the score');
      return findPolicy('knorm').score(view, ops);
    },
  });
  const c = openConversation(model, { ...options, policy });
  const other = openConversation(model, options);
  await rejects(c.add(history.repeat(3)), 'OptionError', /of the score/);
  await rejects(c.flush(), 'OptionError', /of the score/);
  await rejects(c.ask('dog', asking).text(), 'OptionError', /of the score/);
  await other.add(history);
  assert.ok((await other.ask('dog', asking).text()).length > 0);
  model.dispose();
});

test('a profile ends with its model', async () => {
  const model = await loadModel(file, { threads: 1 });
  const profiled = profileModel(model, history.repeat(8), { onProgress: () => model.dispose() });
  await rejects(profiled, 'DeviceError', /the model was disposed of/);
  await rejects(profileModel(model, history.repeat(8)), 'DeviceError', /the model was disposed of/);
});

test.run();
