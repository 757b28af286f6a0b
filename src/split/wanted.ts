// What a client that greets is served: a training, or a conversation. Nothing is reserved yet.
import { isTarget } from '../model/adapter/spec.ts';
import type { LoraShape } from '../train/lora.ts';
import { adapterBytes } from '../train/setup.ts';
import { readCodec } from './codec-options.ts';
import { crossingBytes } from './crossing.ts';
import { checkOpen, ServedConversation, servedBytes } from './generate-server.ts';
import { checkHello } from './greeting.ts';
import type { Rooms } from './half.ts';
import type { HalfModel } from './load.ts';
import type { MessageOf } from './messages.ts';
import { batchBytes } from './pieces.ts';
import type { ServerOptions } from './server.ts';
import { ServerHalf } from './server-half.ts';
import type { Served } from './session.ts';

/** A client that may come in. */
export interface Wanted {
  /** What it takes `bytes` for, and what takes less, for people. */
  readonly what: string;
  readonly less: string;
  readonly bytes: number;
  /** Reserves it. Throws DeviceError where memory ends; nothing is left reserved then. */
  serve(): Served;
}

/** What a greeting asks for. Throws OptionError for what is not taken. */
export function wantedBy(
  greeting: MessageOf<'hello'> | MessageOf<'open'>,
  model: HalfModel,
  options: ServerOptions,
  rooms: Rooms,
): Wanted {
  const { window } = options;
  if (greeting.kind === 'open') {
    const shape = checkOpen(greeting, model, options);
    return {
      what: `a conversation of ${shape.context} tokens`,
      less: 'ask for a shorter one',
      bytes: servedBytes(model, shape, options),
      serve: () => new ServedConversation(model, shape),
    };
  }
  checkHello(greeting, model, options);
  const { network, config, head } = model;
  const { rank, alpha, targets, seed, tokens } = greeting;
  const shape: LoraShape = { rank, alpha, targets: targets.split(',').filter(isTarget) };
  const hasHead = head !== undefined;
  const codec = readCodec(greeting.codec);
  const cut = { width: config.width, mostTokens: tokens };
  const crossings = crossingBytes(codec, cut, hasHead ? 1 : 2);
  // what it asks and is answered waits beside it
  const messages = 2 * window * batchBytes(options.tokens, config.width);
  const how = { shape, seed, tokens, window, hasHead, codec };
  return {
    what: `a client with rank ${rank}`,
    less: 'with a lower rank, or keep less of lines (stateBytes)',
    bytes: adapterBytes(network, shape) + messages + crossings,
    serve: () => new ServerHalf(network, rooms, how),
  };
}
