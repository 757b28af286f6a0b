// Opens a conversation over a cut: checks options, connects, and reserves this side's rows.
import { OptionError } from '../errors.ts';
import { settle } from '../options/table.ts';
import { Framing } from '../session/framing.ts';
import { Talk } from '../session/talk.ts';
import { Transcript } from '../session/transcript.ts';
import { SplitConversation } from './generate-client.ts';
import { planOf, ROW_TYPE } from './generate-layers.ts';
import { generateTable, type SplitConversationOptions } from './generate-options.ts';
import { Link, type Traffic } from './link.ts';
import type { HalfModel } from './load.ts';
import { MOST_GREETING_BYTES } from './pieces.ts';
import { VERSION } from './version.ts';

export interface OpenConversation {
  readonly conversation: SplitConversation;
  /** Bytes that this side's rows and working memory take. */
  readonly bytes: number;
  /** What went over the line so far. */
  readonly traffic: Traffic;
  /** For tests: the connection breaks. */
  cut(): void;
  /** Ends it at both sides, where the server can still be reached. */
  close(): Promise<void>;
}

function settled(model: HalfModel, given: SplitConversationOptions) {
  const options = settle('openSplitConversation', given, generateTable);
  const { codec, channelBits, bits, block } = options;
  const { width, contextLength } = model.config;
  if (channelBits && channelBits.length !== width)
    throw new OptionError(
      `channelBits are ${channelBits.length}, the model has ${width} channels: they are of ` +
        `another model`,
    );
  if (channelBits && codec === 'none')
    throw new OptionError(`channelBits are given, but codec 'none' sends f32: choose another`);
  const context = Math.min(options.context, contextLength);
  const shape = { context, block: Math.min(block, context), codec, bits, rowType: ROW_TYPE };
  return { ...options, shape, learned: channelBits && Uint8Array.from(channelBits) };
}

/**
 * Opens a conversation whose layers behind the cut are at a server (split-serve). Throws
 * OptionError, BudgetError and what the server refuses for, NetworkError where it cannot be
 * reached, DeviceError where memory ends; nothing is left reserved then.
 */
export async function openSplitConversation(
  model: HalfModel,
  given: SplitConversationOptions,
): Promise<OpenConversation> {
  const { url, token, signal, shape, learned } = settled(model, given);
  const { promisedBytes: bytes } = planOf(model, shape);
  const { context, block, codec, bits } = shape;
  const link = await Link.open({
    url,
    hello: {
      kind: 'open',
      version: VERSION,
      token,
      fingerprint: model.fingerprint,
      ...model.cut,
      ...{ context, block, codec, bits },
    },
    mostBytes: MOST_GREETING_BYTES,
    signal,
  });
  try {
    const conversation = new SplitConversation(model, link.ask, shape, learned);
    return {
      conversation,
      bytes,
      get traffic() {
        return link.traffic;
      },
      cut: () => link.cut(),
      async close() {
        // a server that cannot be asked gives it up by itself
        await conversation.end().catch(() => undefined);
        link.close();
        conversation.dispose();
      },
    };
  } catch (error) {
    link.close();
    throw error;
  }
}

/** Tokens of a question as the model's chat template writes it, behind a text or none. */
export function questionTokens(
  { chatTemplate, tokenizer }: Pick<HalfModel, 'chatTemplate' | 'tokenizer'>,
  question: string,
  { text = '', template = true }: { readonly text?: string; readonly template?: boolean } = {},
): number[] {
  const talk = new Talk(new Framing(chatTemplate, tokenizer.bosText), tokenizer, false);
  if (text !== '') talk.take([text]);
  const { whole } = talk.ask({ role: 'user', content: question }, template);
  const transcript = new Transcript(tokenizer);
  transcript.append(whole);
  return transcript.ids.slice(0);
}
