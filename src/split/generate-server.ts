// The server's half of a conversation: a client's hidden states into the layers behind the cut,
// whose rows it keeps, and tokens drawn from what comes out.
import { ContextError, OptionError, ProtocolError } from '../errors.ts';
import { createSampler, type Sampler } from '../engine/sampling/sampler.ts';
import { ConversationFrames, type FrameOptions, generateCodecs } from './generate-frames.ts';
import { ConversationLayers, type ConversationShape, planOf, ROW_TYPE } from './generate-layers.ts';
import { checkSame, wrong } from './greeting.ts';
import type { HalfModel } from './load.ts';
import type { Message, MessageOf } from './messages.ts';
import { batchBytes } from './pieces.ts';
import type { ServerOptions } from './server.ts';
import type { Served } from './session.ts';

/** A conversation that a client asks for. */
export interface ServedShape extends ConversationShape, FrameOptions {}

/** What a client wants opened. Throws OptionError for the first thing that is not taken. */
export function checkOpen(
  open: MessageOf<'open'>,
  model: HalfModel,
  options: ServerOptions,
): ServedShape {
  checkSame(open, model, options);
  if (!model.head)
    throw new OptionError(
      `the server refused: the labels, and the model's head with them, are the client's, tokens ` +
        `are drawn at the server: run it with labels 'server'`,
    );
  const { context, block, codec: name, bits } = open;
  const { contextLength } = model.config;
  if (context < 1 || context > contextLength)
    throw wrong('the context', context, `1 to ${contextLength} tokens`, 'ask for another');
  const most = Math.min(options.tokens, contextLength - 1);
  if (block < 1 || block > most)
    throw wrong('tokens of a block', block, `1 to ${most}`, 'choose smaller blocks');
  const codec = generateCodecs.find((one) => one === name);
  if (!codec)
    throw wrong('the codec', `'${name.slice(0, 20)}'`, generateCodecs.join(' or '), 'use one');
  if (bits < 1 || bits > 8) throw wrong('bits', bits, '1 to 8', 'choose others');
  return { context, block, codec, bits, rowType: ROW_TYPE };
}

/** Bytes that a conversation takes at the server, messages on their way included. */
export const servedBytes = (
  model: HalfModel,
  shape: ServedShape,
  { tokens, window }: ServerOptions,
): number =>
  planOf(model, shape).promisedBytes + 2 * window * batchBytes(tokens, model.config.width);

export class ServedConversation implements Served {
  readonly #layers: ConversationLayers;
  readonly #frames: ConversationFrames;
  readonly #shape: ServedShape;
  #sample: Sampler = createSampler();

  /** Reserves its rows. Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor(model: HalfModel, shape: ServedShape) {
    this.#frames = new ConversationFrames(shape, model.config.width, shape.block);
    this.#layers = new ConversationLayers(model, shape);
    this.#shape = shape;
  }

  /** Throws ProtocolError for what may not be asked now; the conversation is as before then. */
  async answer(message: Message): Promise<Message> {
    switch (message.kind) {
      case 'sampling': {
        const { kind: _, ...options } = message;
        this.#sample = createSampler(options);
        return { kind: 'done' };
      }
      case 'prefill':
        await this.#append(message);
        return { kind: 'done' };
      case 'decode': {
        await this.#append(message);
        return {
          kind: 'drawn',
          token: this.#sample(await this.#layers.logits(message.tokens - 1)),
        };
      }
      case 'end':
        return { kind: 'done' };
      default:
        throw new ProtocolError(`the client sent '${message.kind}' in a conversation`);
    }
  }

  async #append({ kind, at, tokens, x }: MessageOf<'prefill' | 'decode'>): Promise<void> {
    const { count } = this.#layers;
    const { context, block } = this.#shape;
    if (at !== count)
      throw new ProtocolError(`the client sent '${kind}' behind ${at} tokens, expected ${count}`);
    if (tokens < 1 || tokens > block)
      throw new ProtocolError(`the client sent ${tokens} tokens, a block has 1 to ${block}`);
    if (count + tokens > context)
      throw new ContextError(
        `${tokens} tokens behind ${count} do not fit into a context of ${context}: open a ` +
          `conversation with a longer one`,
      );
    await this.#layers.append(this.#frames.decode(x, tokens, at));
  }

  dispose(): void {
    this.#layers.dispose();
  }
}
