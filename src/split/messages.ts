// What both sides say to each other, and its bytes:
//
//   u32 bytes of the head | head (JSON, UTF-8, padded by spaces) | arrays of 32-bit numbers
//
// Everything that arrives is held against the table of its kind before anybody uses it.
import { ProtocolError } from '../errors.ts';

/** What fields may be. */
interface Values {
  readonly count: number;
  readonly number: number;
  readonly flag: boolean;
  readonly text: string;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
}
type FieldKind = keyof Values;
type Fields = Readonly<Record<string, FieldKind>>;

/** What each message has. */
const kinds = {
  // before anything else
  hello: {
    version: 'count',
    token: 'text',
    /** The training that goes on; '' begins one. */
    session: 'text',
    /** The last answer that arrived. */
    received: 'count',
    fingerprint: 'text',
    cut: 'count',
    labels: 'text',
    tokens: 'count',
    rank: 'count',
    alpha: 'number',
    targets: 'text',
    seed: 'count',
  },
  welcome: { session: 'text', received: 'count', window: 'count' },
  refused: { name: 'text', message: 'text' },
  // asked by the client. T tokens, D width; sequences: count of each, one behind the other
  /** A batch of a step: its losses are wanted, and the gradient of x [T, D]. */
  learn: {
    step: 'count',
    batch: 'count',
    scale: 'number',
    wantsInput: 'flag',
    sequences: 'i32',
    targets: 'i32',
    x: 'f32',
  },
  /** Losses, and nothing is learned. */
  measure: { sequences: 'i32', targets: 'i32', x: 'f32' },
  /** U-shaped: hidden states [T, D] behind the server's layers are wanted. */
  through: { step: 'count', batch: 'count', learns: 'flag', sequences: 'i32', x: 'f32' },
  /** U-shaped: the gradient [T, D] of what `through` gave. */
  back: { step: 'count', batch: 'count', wantsInput: 'flag', dx: 'f32' },
  /** The end of a step: `squares` is the sum of the client's squared gradients. */
  apply: { step: 'count', squares: 'number', rate: 'number', clip: 'number', decay: 'number' },
  /** Gradients of a step that does not come to its end are forgotten. */
  clear: { step: 'count' },
  /** A matrix of the server's adapters, by its number. */
  read: { parameter: 'count' },
  /** The training is over. */
  end: {},
  // answered by the server; dx and x may be empty
  learned: { losses: 'f32', dx: 'f32' },
  passed: { x: 'f32' },
  /** Sum of all squared gradients; `finite` says whether the step was made. */
  applied: { squares: 'number', finite: 'flag' },
  matrix: { name: 'text', parameters: 'count', numbers: 'f32' },
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

/** Longest head that is believed: it holds numbers and a few short texts. */
export const MOST_HEAD_BYTES = 1 << 14;

/** Bytes of a message; they are whole words. */
export function encode(message: Message): Uint8Array<ArrayBuffer> {
  const arrays: (Int32Array | Float32Array)[] = [];
  const head: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(message)) {
    if (typeof value !== 'object') head[field] = value;
    else {
      arrays.push(value);
      head[field] = value.length;
    }
  }
  let text = new TextEncoder().encode(JSON.stringify(head));
  const padding = (4 - (text.length % 4)) % 4;
  text = new TextEncoder().encode(JSON.stringify(head) + ' '.repeat(padding));
  const numbers = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const bytes = new Uint8Array(4 + text.length + numbers);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = 4 + text.length;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

/**
 * A message of bytes that begin a buffer of their own. Throws ProtocolError for what is none: a
 * head that cannot be read, a kind there is not, fields that are missing or of another kind, bytes
 * too few or too many.
 */
export function decode(bytes: Uint8Array<ArrayBuffer>): Message {
  const { head, end } = headOf(bytes);
  const kind = head.kind as Kind;
  if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind))
    throw wrong(`a message of kind ${JSON.stringify(head.kind)?.slice(0, 40)}`);
  const fields: Fields = kinds[kind];
  const message: Record<string, unknown> = { kind };
  let at = end;
  for (const [field, type] of Object.entries(fields)) {
    const value = head[field];
    if (type === 'i32' || type === 'f32') {
      if (!isCount(value) || at + value * 4 > bytes.length)
        throw wrong(`'${kind}' with ${JSON.stringify(value)} numbers of '${field}'`);
      const Numbers = type === 'i32' ? Int32Array : Float32Array;
      message[field] = new Numbers(bytes.buffer, at, value);
      at += value * 4;
    } else if (isOf(type, value)) message[field] = value;
    else throw wrong(`'${kind}' whose '${field}' is ${JSON.stringify(value)?.slice(0, 40)}`);
  }
  if (at !== bytes.length) throw wrong(`'${kind}' of ${bytes.length} bytes, expected ${at}`);
  return message as unknown as Message;
}

function headOf(bytes: Uint8Array): { head: Record<string, unknown>; end: number } {
  if (bytes.length < 4 || bytes.byteOffset !== 0) throw wrong(`${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = 4 + view.getUint32(0, true);
  if (end - 4 > MOST_HEAD_BYTES || end > bytes.length || end % 4 !== 0)
    throw wrong(`a head of ${end - 4} bytes`);
  try {
    const head: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(4, end)));
    if (typeof head === 'object' && head !== null)
      return { head: head as Record<string, unknown>, end };
  } catch {
    // said below
  }
  throw wrong('a head that is no JSON object');
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

function isOf(type: 'count' | 'number' | 'flag' | 'text', value: unknown): boolean {
  if (type === 'count') return isCount(value);
  if (type === 'number') return typeof value === 'number' && Number.isFinite(value);
  return typeof value === (type === 'flag' ? 'boolean' : 'string');
}

const wrong = (what: string) =>
  new ProtocolError(
    `the other side sent ${what}, which is no message of split training: look whether it is ` +
      `recollect, of the same version`,
  );
