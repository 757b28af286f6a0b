// What both sides say to each other, and its bytes:
//
//   u32 kind, by its place in the table | its fields, in the table's order (fields.ts)
//
// Everything that arrives is held against the table of its kind before anybody uses it.
import { ProtocolError } from '../errors.ts';
import { type FieldKind, formats, type Values } from './fields.ts';

type Fields = Readonly<Record<string, FieldKind>>;

/** What every greeting begins with. */
const greeting = {
  version: 'count',
  token: 'text',
  /** What goes on; '' begins anew. */
  session: 'text',
  /** The client's process: numbers of questions are its own. */
  run: 'text',
  /** Steps that it has made, the last question, and the last answer that arrived. */
  step: 'count',
  asked: 'count',
  received: 'count',
} as const;

/** What each message has. */
const kinds = {
  // before anything else; greetings stay the first, whatever the version
  hello: {
    ...greeting,
    /** Whether it has a checkpoint, so that it may come again a step before. */
    keeps: 'flag',
    fingerprint: 'text',
    cut: 'count',
    labels: 'text',
    tokens: 'count',
    rank: 'count',
    alpha: 'number',
    targets: 'text',
    seed: 'count',
    /** How frames are made (codec-options.ts). */
    codec: 'text',
  },
  /** `isRewound`: what was asked since the last step, up to `received`, is asked again. */
  welcome: { session: 'text', received: 'count', window: 'count', isRewound: 'flag' },
  refused: { name: 'text', message: 'text' },
  /** The greeting of who wants text (generate-server.ts): a conversation of `context` tokens. */
  open: {
    ...greeting,
    fingerprint: 'text',
    cut: 'count',
    labels: 'text',
    context: 'count',
    /** Most tokens that come at a time. */
    block: 'count',
    codec: 'text',
    bits: 'count',
  },
  // asked by the client. T tokens, D width; samples: id and count of each, one behind the other;
  // x and dx: frames (codec/frame.ts) of [T, D]
  /** A batch of a step: its losses are wanted, and the gradient of x. */
  learn: {
    step: 'count',
    batch: 'count',
    scale: 'number',
    wantsInput: 'flag',
    samples: 'ids',
    targets: 'ids',
    x: 'bytes',
  },
  /** Losses, added to those `before`, and nothing is learned. */
  measure: { before: 'real', samples: 'ids', targets: 'ids', x: 'bytes' },
  /** U-shaped: hidden states behind the server's layers are wanted. */
  through: { step: 'count', batch: 'count', learns: 'flag', samples: 'ids', x: 'bytes' },
  /** U-shaped: the gradient of what `through` gave. */
  back: { step: 'count', batch: 'count', wantsInput: 'flag', dx: 'bytes' },
  /** The end of a step: `squares` is the sum of the client's squared gradients. */
  apply: { step: 'count', squares: 'number', rate: 'number', clip: 'number', decay: 'number' },
  /**
   * What was learned of a step that does not come to its end is forgotten, and what frames build
   * on: the next ones stand alone.
   */
  clear: { step: 'count' },
  /** A matrix of the server's adapters, by its number. */
  read: { parameter: 'count' },
  /** The training is over. */
  end: {},
  // of a conversation; x: a frame of the hidden states of `tokens` tokens behind `at` of them
  /** How the next tokens are drawn. */
  sampling: {
    temperature: 'number',
    topK: 'count',
    topP: 'number',
    minP: 'number',
    seed: 'number',
  },
  /** Tokens of a prompt. */
  prefill: { at: 'count', tokens: 'count', x: 'bytes' },
  /** The same, and the token behind them is wanted. */
  decode: { at: 'count', tokens: 'count', x: 'bytes' },
  // answered by the server; frames are empty where nothing was wanted
  /** Sum of the losses of the step, or of what is measured, so far; the gradient of x. */
  learned: { loss: 'real', dx: 'bytes' },
  passed: { x: 'bytes' },
  /** Sum of all squared gradients; `finite` says whether the step was made. */
  applied: { squares: 'number', finite: 'flag' },
  matrix: { name: 'text', parameters: 'count', numbers: 'f32' },
  drawn: { token: 'count' },
  done: {},
  failed: { name: 'text', message: 'text' },
} as const satisfies Readonly<Record<string, Fields>>;

export type Kind = keyof typeof kinds;
export type MessageOf<K extends Kind> = { readonly kind: K } & {
  readonly [F in keyof (typeof kinds)[K]]: (typeof kinds)[K][F] extends FieldKind
    ? Values[(typeof kinds)[K][F]]
    : never;
};
export type Message = { [K in Kind]: MessageOf<K> }[Kind];

const names = Object.keys(kinds) as Kind[];

/** What a message's fields do in bytes, in their order. */
const fieldsOf = (message: Message) =>
  Object.entries<FieldKind>(kinds[message.kind]).map(([field, type]) => {
    const value = message[field as keyof Message] as never;
    const { size, write } = formats[type];
    return { bytes: size(value), write: (view: DataView, at: number) => write(view, at, value) };
  });

/** Bytes of a message; they are whole words. */
export const messageBytes = (message: Message): number =>
  fieldsOf(message).reduce((sum, { bytes }) => sum + bytes, 4);

export function encode(message: Message): Uint8Array<ArrayBuffer> {
  const fields = fieldsOf(message);
  const all = new Uint8Array(fields.reduce((sum, { bytes }) => sum + bytes, 4));
  const view = new DataView(all.buffer);
  view.setUint32(0, names.indexOf(message.kind), true);
  let at = 4;
  for (const { bytes, write } of fields) {
    write(view, at);
    at += bytes;
  }
  return all;
}

/**
 * A message of bytes that begin a buffer of their own. Throws ProtocolError for what is none: a
 * kind there is not, fields that are cut short or of another kind, bytes too many.
 */
export function decode(bytes: Uint8Array<ArrayBuffer>): Message {
  if (bytes.length < 4 || bytes.byteOffset !== 0) throw wrong(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, 0, bytes.length);
  const number = view.getUint32(0, true);
  if (number >= names.length) throw wrong(`a message of kind ${number}`);
  const kind = names[number];
  const message: Record<string, unknown> = { kind };
  let at = 4;
  for (const [field, type] of Object.entries<FieldKind>(kinds[kind])) {
    const found = formats[type].read(view, at);
    if (!found) throw wrong(`'${kind}' of ${bytes.length} bytes without a '${field}'`);
    [message[field], at] = found;
  }
  if (at !== bytes.length) throw wrong(`'${kind}' of ${bytes.length} bytes, expected ${at}`);
  return message as unknown as Message;
}

const wrong = (what: string) =>
  new ProtocolError(
    `the other side sent ${what}, which is no message of split training: look whether it is ` +
      `recollect, of the same version`,
  );
