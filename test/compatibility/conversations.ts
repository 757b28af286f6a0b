// What conversations do beyond reading: questions that leave no trace, recall, episodes, texts that
// outgrow the context, stored states.
import { type Conversation, openConversation } from '../../src/session/conversation.ts';
import { expect } from './expect.ts';
import type { Feature } from './outcome.ts';
import { code } from './policies.ts';
import { expectStored } from './rows.ts';
import { conversing, type RunOptions, type Subject } from './subject.ts';

async function ask(conversation: Conversation, question: string, keep: boolean): Promise<string> {
  const options = { keep, template: false, maxTokens: 6, temperature: 0 };
  return conversation.ask(question, options).text();
}

/** What a conversation answers, with or without questions that are not kept between. */
async function repliesOf(subject: Subject, options: RunOptions, asks: boolean): Promise<string[]> {
  const model = await subject.model();
  using conversation = openConversation(model, { ...conversing, promptTokens: 8, ...options });
  const lines = subject.lines.slice(0, 5);
  await conversation.add(lines);
  await conversation.flush();
  const found: string[] = [];
  if (asks) {
    const first = await ask(conversation, 'Eh?', false);
    expect((await ask(conversation, 'Eh?', false)) === first, 'two answers to one question');
  }
  found.push(await ask(conversation, 'And then?', true));
  if (asks) await ask(conversation, 'Eh?', false);
  // (episodes follow what is said when a question comes: so one comes at once)
  found.push(await ask(conversation, 'Why?', true));
  await conversation.add(lines.slice(0, 2));
  found.push(await ask(conversation, 'Where?', true));
  const { peakBytes, promisedBytes } = conversation.memory;
  expect(peakBytes <= promisedBytes, `${peakBytes} bytes of ${promisedBytes} that were promised`);
  return found;
}

async function expectNoTrace(subject: Subject, options: RunOptions): Promise<void> {
  const [asked, plain] = [
    await repliesOf(subject, options, true),
    await repliesOf(subject, options, false),
  ];
  expect(plain.join('') !== '', 'nothing was answered');
  expect(asked.join('|') === plain.join('|'), `${asked} behind questions, ${plain} without`);
}

const kinds: Readonly<Record<string, RunOptions>> = {
  conversations: { policy: 'snapkv' },
  'patched prompts': { policy: 'kvzip' },
  recall: { policy: 'keydiff', recall: 8 },
  episodes: { policy: 'epicache', episodes: { count: 2, answerFrom: 1 } },
  'two episodes': { policy: 'epicache', episodes: { count: 2, answerFrom: 2 } },
  'embedder of the model': { policy: 'epicache', episodes: { count: 2, embedder: 'model' } },
};
const ofKinds = Object.entries(kinds).map(([name, options]): Feature => ({
  name,
  group: 'conversations',
  promise: `a question that is not kept leaves no trace: ${code(options)}`,
  check: (subject) => expectNoTrace(subject, options),
}));

/** A text of three contexts: positions become compact on the way. */
async function expectLong(subject: Subject): Promise<void> {
  const model = await subject.model({ contextLength: 64 });
  using conversation = openConversation(model, { ...conversing, policy: 'keydiff' });
  const lines = subject.lines.slice(0, 5);
  while (conversation.statistics.tokens < 3 * 64) await conversation.add(lines);
  await conversation.flush();
  const { peakBytes, promisedBytes, cacheBytes } = conversation.memory;
  await conversation.add(lines);
  await conversation.flush();
  expect(conversation.memory.peakBytes === peakBytes, 'bytes grew behind the context');
  expect(peakBytes <= promisedBytes && cacheBytes > 0, `${peakBytes} bytes of ${promisedBytes}`);
  expect((await ask(conversation, 'And then?', true)) !== '', 'nothing was answered');
}

export const conversationFeatures: readonly Feature[] = [
  ...ofKinds,
  {
    name: 'past the context',
    group: 'conversations',
    promise: 'a text of three contexts in the bytes that were promised',
    check: expectLong,
  },
  {
    name: 'snapshots',
    group: 'conversations',
    promise: 'stored and put back, it goes on with the same bits',
    check: (subject) => expectStored(subject, { policy: 'snapkv', heads: 'adaptive' }),
  },
];
