// How many questions about the bundled conversations are answered rightly over a cut, by cut and by
// bits: what rounding hidden states costs replies (docs/split.md, 'Text over a cut').
//
//   node build/js/bench/split/answers.js [--json FILE]
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createSampler } from '../../src/engine/sampling/sampler.ts';
import { bootstrapMean } from '../../src/eval/bootstrap.ts';
import { questionTokens } from '../../src/split/generate.ts';
import { ConversationFrames, type FrameOptions } from '../../src/split/generate-frames.ts';
import { ConversationLayers, ROW_TYPE } from '../../src/split/generate-layers.ts';
import { type HalfModel, loadHalf } from '../../src/split/load.ts';

const MODEL = fileURLToPath(new URL('../../../../models/recollect-tiny.gguf', import.meta.url));
const DATA = new URL('../../../../models/conv-2k.jsonl', import.meta.url);
const SHAPE = { context: 2400, block: 256, rowType: ROW_TYPE };
const MOST_TOKENS = 12;
const CODINGS: readonly FrameOptions[] = [
  { codec: 'none', bits: 4 },
  ...[8, 4, 3, 2].map((bits) => ({ codec: 'channel', bits }) as const),
  ...[4, 3].map((bits) => ({ codec: 'tensor', bits }) as const),
];

interface Dialogue {
  readonly turns: readonly { readonly line: string }[];
  readonly questions: readonly { readonly question: string; readonly answer: string }[];
}
const dialogues = readFileSync(DATA, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Dialogue);

/** Both sides' rows of one conversation, with what travels rounded as over a network. */
class Pair {
  readonly #sides: readonly [client: ConversationLayers, server: ConversationLayers];
  readonly #ends: readonly [here: ConversationFrames, there: ConversationFrames];
  #tokens: number[] = [];
  bytes = 0;

  constructor(client: HalfModel, server: HalfModel, coding: FrameOptions) {
    this.#sides = [new ConversationLayers(client, SHAPE), new ConversationLayers(server, SHAPE)];
    const end = () => new ConversationFrames(coding, client.config.width, SHAPE.block);
    this.#ends = [end(), end()];
  }

  /** Makes these the tokens of both sides: what they share with those before stays. */
  async become(tokens: readonly number[]): Promise<void> {
    const same = tokens.findIndex((token, t) => token !== this.#tokens[t]);
    const shared = same < 0 ? tokens.length : same;
    for (const side of this.#sides) await side.rewind(Math.min(shared, this.#tokens.length));
    for (let at = shared; at < tokens.length; at += SHAPE.block)
      await this.#append(tokens.slice(at, at + SHAPE.block));
    this.#tokens = [...tokens];
  }

  async #append(block: readonly number[]): Promise<void> {
    const [client, server] = this.#sides;
    const at = client.count;
    const frame = this.#ends[0].encode((await client.append(block))!, block.length, at);
    this.bytes += frame.length;
    await server.append(this.#ends[1].decode(frame, block.length, at));
    this.#last = block.length - 1;
  }
  #last = 0;

  async reply(endTokens: ReadonlySet<number>): Promise<number[]> {
    const sample = createSampler();
    const reply: number[] = [];
    while (reply.length < MOST_TOKENS) {
      const token = sample(await this.#sides[1].logits(this.#last));
      if (endTokens.has(token)) break;
      reply.push(token);
      await this.#append([token]);
      this.#tokens.push(token);
    }
    return reply;
  }

  dispose(): void {
    for (const side of this.#sides) side.dispose();
  }
}

async function answered(client: HalfModel, server: HalfModel, coding: FrameOptions) {
  const right: number[] = [];
  const { tokenizer } = client;
  let bytes = 0;
  for (const { turns, questions } of dialogues) {
    const pair = new Pair(client, server, coding);
    const text = turns.map(({ line }) => line).join('');
    for (const { question, answer } of questions) {
      await pair.become(questionTokens(client, question, { text }));
      const reply = tokenizer.decode(await pair.reply(tokenizer.endTokens));
      right.push(reply.trim() === answer ? 1 : 0);
    }
    bytes += pair.bytes;
    pair.dispose();
  }
  return { right: bootstrapMean(right), bytes };
}

const { values } = parseArgs({ options: { json: { type: 'string' } } });
const percent = (x: number) => (100 * x).toFixed(1);
const figures: unknown[] = [];
for (const cut of [1, 2, 3]) {
  const how = { cut, labels: 'server' } as const;
  const client = await loadHalf(MODEL, 'client', how, { threads: 1 });
  const server = await loadHalf(MODEL, 'server', how, { threads: 1 });
  for (const coding of CODINGS) {
    const { right, bytes } = await answered(client, server, coding);
    const name = coding.codec === 'none' ? 'f32' : `${coding.codec} ${coding.bits}`;
    figures.push({ cut, coding: name, right, bytes });
    const { mean, low, high } = right;
    console.log(`cut ${cut}, ${name}: ${percent(mean)}% (${percent(low)} to ${percent(high)})`);
  }
  for (const model of [client, server]) model.dispose();
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 1)}\n`);
