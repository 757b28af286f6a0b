// Conversations in one piece and over a cut, for tests to compare.
import { decode, type DecodeOptions } from '../../src/engine/decode.ts';
import { everything } from '../../src/engine/everything.ts';
import type { LoadOptions } from '../../src/engine/load-options.ts';
import { loadModel } from '../../src/engine/model.ts';
import { planRun } from '../../src/engine/plan.ts';
import { Run } from '../../src/engine/run.ts';
import type { SampleOptions } from '../../src/engine/sampling/options.ts';
import { createSampler } from '../../src/engine/sampling/sampler.ts';
import type { Ask } from '../../src/split/batch-questions.ts';
import { SplitConversation } from '../../src/split/generate-client.ts';
import { ROW_TYPE } from '../../src/split/generate-layers.ts';
import { ServedConversation, type ServedShape } from '../../src/split/generate-server.ts';
import { loadHalf } from '../../src/split/load.ts';
import { decode as decodeMessage, encode } from '../../src/split/messages.ts';

export const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 };
export const warm = { temperature: 1.5, topK: 40, topP: 0.95, minP: 0.01, seed: 11 };

/** A prompt, and a second one behind the reply. */
const texts = ["Ravi: The name of Ana's dog is Rex.\nMia: Lovely.\nRavi: As I", '\nMia: What is'];

export const shapeOf = (more: Partial<ServedShape> = {}): ServedShape => ({
  ...{ context: 160, block: 5, rowType: ROW_TYPE, codec: 'none', bits: 4 },
  ...more,
});

const REPLY = { maxTokens: 12, endTokens: new Set<number>() };

async function collected(tokens: AsyncGenerator<number, unknown>): Promise<number[]> {
  const all: number[] = [];
  for await (const token of tokens) all.push(token);
  return all;
}

/** Replies to both prompts of a model in one piece, blocks of another size. */
export async function repliesWhole(
  path: string,
  sampling: SampleOptions,
  activations?: LoadOptions['activations'],
): Promise<number[]> {
  using model = await loadModel(path, { threads: 1, pipeline: 1, activations });
  const budget = { tokens: 160 };
  const run = new Run(
    model.executor,
    planRun(model.executor, { ...everything, budget, blockSize: 64 }),
  );
  const all: number[] = [];
  for (const text of texts) {
    const prompt = model.tokenizer.encode(text);
    const sample = createSampler(sampling);
    const options: DecodeOptions = { ...REPLY, sample, evict: false };
    const reply = await collected(decode(run, prompt, options));
    all.push(...reply);
  }
  run.dispose();
  return all;
}

/** The same over a cut. */
export async function repliesOf(
  { conversation, tokenizer }: Pick<LocalConversation, 'conversation' | 'tokenizer'>,
  sampling: Required<SampleOptions>,
): Promise<number[]> {
  const all: number[] = [];
  for (const text of texts) {
    const prompt = tokenizer.encode(text);
    all.push(...(await collected(conversation.reply(prompt, { ...REPLY, ...sampling }))));
  }
  return all;
}

/** Both halves of a conversation in this process, asked in bytes as over a network. */
export async function localConversation(
  path: string,
  cut: number,
  shape: ServedShape,
  activations?: LoadOptions['activations'],
) {
  const how = { cut, labels: 'server' } as const;
  const options = { threads: 1, activations };
  const server = await loadHalf(path, 'server', how, options);
  const client = await loadHalf(path, 'client', how, options);
  const served = new ServedConversation(server, shape);
  let turn: Promise<unknown> = Promise.resolve();
  const ask: Ask = (message) => {
    const answer = turn.then(async () =>
      decodeMessage(encode(await served.answer(decodeMessage(encode(message))))),
    );
    turn = answer.catch(() => undefined);
    return answer;
  };
  const conversation = new SplitConversation(client, ask, shape);
  const dispose = () => {
    conversation.dispose();
    served.dispose();
    for (const model of [client, server]) model.dispose();
  };
  const { tokenizer } = client;
  return { conversation, tokenizer, client, ask, dispose };
}
export type LocalConversation = Awaited<ReturnType<typeof localConversation>>;
