// Conversations over real sockets: the tokens of one piece whatever the way does, beside trainings,
// within a server's bounds.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BudgetError, NetworkError, OptionError } from '../../src/errors.ts';
import { loadModel } from '../../src/engine/model.ts';
import { openConversation } from '../../src/session/conversation.ts';
import { askSplit } from '../../src/split/generate-split.ts';
import { openSplitConversation } from '../../src/split/generate.ts';
import type { SplitConversationOptions } from '../../src/split/generate-options.ts';
import { loadHalf } from '../../src/split/load.ts';
import { greedy, repliesOf, repliesWhole, warm } from './generate.ts';
import {
  assertSame,
  breakingWay,
  MODEL,
  serve,
  TOKEN,
  trainedSplit,
  trainedWhole,
} from './network.ts';

const test = suite('split/generate-network');
const cut = { cut: 1, labels: 'server' } as const;
type More = Partial<SplitConversationOptions>;

async function open(url: string, more: More = {}) {
  const model = await loadHalf(MODEL, 'client', cut, { threads: 1 });
  try {
    const how = { url, token: TOKEN, context: 160, block: 8, ...more };
    const opened = await openSplitConversation(model, how);
    const close = async () => {
      await opened.close();
      model.dispose();
    };
    return { ...opened, tokenizer: model.tokenizer, close, opened };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 5000;
  while (!isSo()) {
    assert.ok(performance.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  let found: unknown;
  await promise.catch((error) => (found = error));
  assert.instance(found, Error);
  return found as Error;
}

test('a way that breaks loses and repeats no token', async () => {
  const server = await serve(cut);
  const way = await breakingWay(server.port, 8, 9000, 5);
  const whole = await repliesWhole(MODEL, warm);
  const local = await open(way.url, { block: 3 });
  assert.equal(await repliesOf(local, warm), whole);
  assert.ok(way.cuts > 4 && local.opened.traffic.reconnects >= way.cuts, `${way.cuts} cuts`);
  await local.close();
  await until(() => server.server.held.sessions === 0, 'the server has given it back');
  await way.close();
  await server.close();
});

test('beside a training, both are what they are alone', async () => {
  const server = await serve(cut);
  const [whole, replies] = [await trainedWhole(), await repliesWhole(MODEL, greedy)];
  const local = await open(server.url);
  const training = trainedSplit(server.url, cut);
  for (let i = 0; i < 2; i++) {
    const next = i === 0 ? local : await open(server.url);
    assert.equal(await repliesOf(next, greedy), replies);
    await next.close();
  }
  assertSame(await training, whole, 'beside conversations');
  await server.close();
});

test('a server takes what it has room for', async () => {
  const { server, close: closeAll, url } = await serve(cut, { memory: 22 << 20 });
  const before = server.held.bytes;
  const first = await open(url);
  const took = server.held.bytes - before;
  assert.ok(took > 0 && before + took <= 22 << 20);
  const rest: Awaited<ReturnType<typeof open>>[] = [];
  const fill = async () => {
    for (;;) rest.push(await open(url, { context: 200 }));
  };
  const error = await failure(fill());
  assert.instance(error, BudgetError);
  assert.match(
    error.message,
    /a conversation of 200 tokens takes .* come later, or ask for a short/,
  );
  assert.ok(rest.length < 3, 'memory ended before clients did');
  for (const one of [first, ...rest]) await one.close();
  await until(() => server.held.bytes === before, 'all is given back');
  await closeAll();
});

test('who may not come in hears why', async () => {
  const server = await serve(cut, { tokens: 64 });
  const asked: readonly [More, RegExp][] = [
    [{ token: 'wrong' }, /the token is another/],
    [{ block: 65 }, /tokens of a block is 65, expected 1 to 64/],
  ];
  for (const [more, message] of asked) {
    const error = await failure(open(server.url, more));
    assert.instance(error, OptionError);
    assert.match(error.message, message);
  }
  assert.is(server.server.held.sessions, 0);
  await server.close();
  const own = await serve({ cut: 1, labels: 'client' });
  const model = await loadHalf(MODEL, 'client', { cut: 1, labels: 'client' }, { threads: 1 });
  const refused = await failure(openSplitConversation(model, { url: own.url, token: TOKEN }));
  assert.match(refused.message, /drawn at the server/);
  model.dispose();
  await own.close();
  const gone = await failure(open(own.url));
  assert.instance(gone, NetworkError);
});

test('the reply of a conversation on the whole model', async () => {
  const server = await serve(cut);
  const [text, question] = ["Ravi: The name of Ana's dog is Rex.\n", "What is Ana's dog called?"];
  const sampling = { temperature: 1, seed: 5, maxTokens: 12, template: false };
  using model = await loadModel(MODEL, { threads: 1, pipeline: 1 });
  const conversation = openConversation(model, { policy: 'full', budget: 400, blockSize: 128 });
  await conversation.add(text);
  let whole = '';
  for await (const piece of conversation.ask(question, sampling)) whole += piece;
  conversation.dispose();
  const way = { cut: 1, url: server.url, token: TOKEN, loading: { threads: 1 } };
  const pieces = askSplit(MODEL, question, { ...way, ...sampling, text, block: 32 });
  let found = '';
  let step = await pieces.next();
  for (; !step.done; step = await pieces.next()) found += step.value;
  assert.ok(whole.length > 4);
  assert.is(found, whole);
  assert.equal([step.value.reason, step.value.tokens, step.value.seed], ['length', 12, 5]);
  assert.ok(step.value.traffic.sentBytes > step.value.promptTokens * 4);
  await server.close();
});

test('bits of another model are refused before anybody is asked', async () => {
  const error = await failure(open('ws://127.0.0.1:1', { codec: 'channel', channelBits: [4, 4] }));
  assert.match(error.message, /channelBits are 2, the model has \d+ channels/);
});

test.run();
