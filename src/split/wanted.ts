// What a client that greets is served: a training, or a conversation. Nothing is reserved yet.
import { isTarget } from '../model/adapter/spec.ts';
import type { Network } from '../model/forward.ts';
import { loraMatrices, type LoraShape } from '../train/lora.ts';
import { rowsOf } from '../train/parameters.ts';
import { adapterBytes } from '../train/setup.ts';
import { readCodec } from './codec-options.ts';
import { crossingBytes } from './crossing.ts';
import { checkOpen, ServedConversation, servedBytes } from './generate-server.ts';
import { checkHello } from './greeting.ts';
import type { Rooms } from './half.ts';
import type { Keepable } from './kept.ts';
import type { HalfModel } from './load.ts';
import type { MessageOf } from './messages.ts';
import { batchBytes } from './pieces.ts';
import type { ServerOptions } from './server.ts';
import type { Served } from './session.ts';
import { ServerHalf } from './server-half.ts';

/** A client that may come in. */
export interface Wanted {
  /** What it takes `bytes` for, and what takes less, for people. */
  readonly what: string;
  readonly less: string;
  readonly bytes: number;
  /** What its state is, where it can be kept. */
  readonly keepable?: Keepable;
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
    keepable: {
      of: { ...ofTraining(greeting, network.backend.build), codec: greeting.codec },
      stateBytes: stateBytes(network, shape, tokens),
    },
    serve: () => new ServerHalf(network, rooms, how),
  };
}

/** All that decides what comes out at this side. */
function ofTraining(hello: MessageOf<'hello'>, build: string): Record<string, string> {
  const { fingerprint, cut, labels, rank, alpha, targets, seed } = hello;
  const told = { cut, labels, rank, alpha, targets, seed, 'build of the kernels': build };
  return {
    "model's fingerprint": fingerprint,
    ...Object.fromEntries(Object.entries(told).map(([key, value]) => [key, String(value)])),
  };
}

/** Of a state's header: what it is of, and a name and a number for each matrix. */
const HEADER_BYTES = 1 << 14;
const MATRIX_BYTES = 256;

function stateBytes({ config, weights }: Network, shape: LoraShape, tokens: number): number {
  const numbers = loraMatrices(config, weights, shape).map(({ at }) => rowsOf(at) * at.columns);
  const gates = 8 * (2 + 3 * Math.max(config.width, tokens));
  return numbers.reduce((sum, n) => sum + n * 3 * 4 + MATRIX_BYTES, HEADER_BYTES + gates);
}
