// The public way to ask half a model: it is loaded, asked, and given back.
import type { FinishReason } from '../engine/decode.ts';
import { type SampleOptions, sampleTable } from '../engine/sampling/options.ts';
import { text as readText } from '../arguments.ts';
import type { ModelFiles } from '../model/source.ts';
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf, settle } from '../options/table.ts';
import { replyTable } from '../session/ask-options.ts';
import { openSplitConversation, questionTokens } from './generate.ts';
import { generateTable, type SplitConversationOptions } from './generate-options.ts';
import type { Traffic } from './link.ts';
import { loadHalf, type SplitLoadOptions } from './load.ts';
import { cutTable } from './options.ts';
import { loadingRow } from './train-split.ts';

export const questionTable = {
  /** Text that the question is about, in front of it. Default: none. */
  text: option(kinds.text, { default: '', summary: 'text that the question is about' }),
  /** Longest reply in tokens. Default 256. */
  maxTokens: replyTable.maxTokens,
  /** Whether the model's chat template is put around the question. Default true. */
  template: replyTable.template,
};

const table = {
  cut: cutTable.cut,
  ...generateTable,
  ...questionTable,
  ...sampleTable,
  loading: loadingRow,
};

export interface SplitQuestionOptions
  extends SplitConversationOptions, OptionsOf<typeof questionTable>, SampleOptions {
  /** Layers that are loaded here: the first ones. */
  readonly cut: number;
  /** How this side's half of the model is loaded. */
  readonly loading?: SplitLoadOptions;
}

/** What is known once a reply is complete. */
export interface SplitReply {
  readonly reason: FinishReason;
  readonly promptTokens: number;
  readonly tokens: number;
  /** The seed of its draws; greedy draws nothing: 0. */
  readonly seed: number;
  readonly traffic: Traffic;
  /** Bytes that rows and working memory took here, beside this half of the model. */
  readonly bytes: number;
}

/**
 * A reply to a question, piece by piece, of a model whose first layers are here and the others at a
 * server (recollect split-serve). With codec 'none' it is the reply of the model in one piece.
 *
 *     for await (const piece of askSplit('model.gguf', 'Who is Rex?', {
 *       cut: 4, url: 'wss://...', token: '...' })) console.log(piece);
 *
 * Throws what loadModel() does, NetworkError where the server cannot be reached (again), and what
 * it refuses for: OptionError (another token, model, cut, ...), BudgetError (it is full);
 * ContextError where text and question are longer than the context.
 */
export async function* askSplit(
  input: ModelFiles,
  question: string,
  given: SplitQuestionOptions,
): AsyncGenerator<string, SplitReply> {
  const options = settle('askSplit', given, table);
  readText('question', question);
  const { cut, loading = {}, text, template, maxTokens, signal } = options;
  const { temperature, topP, minP } = options;
  const drawn = temperature > 0 ? crypto.getRandomValues(new Uint32Array(1))[0] : 0;
  const seed = options.seed ?? drawn;
  const how = { cut, labels: 'server' } as const;
  const model = await loadHalf(input, 'client', how, { ...loading, signal });
  try {
    const tokens = questionTokens(model, question, { text, template });
    const { url, token, context, block, codec, bits, channelBits } = options;
    const line = { url, token, context, block, codec, bits, channelBits, signal };
    const opened = await openSplitConversation(model, line);
    try {
      const { tokenizer, config } = model;
      const topK = Math.min(options.topK, config.vocabulary);
      const sampling = { temperature, topK, topP, minP, seed };
      const { endTokens } = tokenizer;
      const reply = opened.conversation.reply(tokens, {
        ...{ maxTokens, endTokens, signal },
        ...sampling,
      });
      const stream = tokenizer.stream();
      let count = 0;
      let step = await reply.next();
      for (; !step.done; step = await reply.next()) {
        count++;
        const piece = stream.push(step.value);
        if (piece !== '') yield piece;
      }
      const rest = stream.end();
      if (rest !== '') yield rest;
      const { traffic, bytes } = opened;
      return {
        ...{ reason: step.value, promptTokens: tokens.length, tokens: count, seed },
        ...{ traffic, bytes },
      };
    } finally {
      await opened.close();
    }
  } finally {
    model.dispose();
  }
}
