// Messages in bytes: what was said is heard, what is cut short or made up is refused, and nothing is
// reserved by a number that arrives.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProtocolError } from '../../src/errors.ts';
import { decode, encode, type Message, messageBytes } from '../../src/split/messages.ts';

const test = suite('split/messages');

const learn = {
  ...({ kind: 'learn', step: 2 ** 32 - 1, batch: 3, scale: 1 / 3, wantsInput: true } as const),
  samples: Int32Array.of(7, 2, 65534, 1),
  targets: Int32Array.of(-1, 5, 0),
  x: Uint8Array.of(1, 2, 3, 4, 5),
} as const;

const messages: readonly Message[] = [
  learn,
  { ...learn, targets: Int32Array.of(-1, 65535, 2 ** 31 - 1), samples: new Int32Array(0) },
  {
    kind: 'measure',
    before: Number.NaN,
    samples: learn.samples,
    targets: learn.targets,
    x: learn.x,
  },
  { kind: 'learned', loss: Number.POSITIVE_INFINITY, dx: new Uint8Array(0) },
  { kind: 'matrix', name: 'Größe', parameters: 2, numbers: Float32Array.of(1.5, -0.25) },
  { kind: 'failed', name: '', message: 'too far' },
  { kind: 'done' },
];

test('what was said is heard, in as many bytes as were told', () => {
  for (const message of messages) {
    const bytes = encode(message);
    assert.equal(decode(bytes), message);
    assert.is(bytes.length, messageBytes(message));
    assert.is(bytes.length % 4, 0);
  }
  assert.is(encode(learn).length, 36 + 8 + 8 + 8, 'two bytes an id, whole words');
});

const refused = (bytes: Uint8Array<ArrayBuffer>, what: string) =>
  assert.throws(
    () => decode(bytes),
    (error: unknown) => error instanceof ProtocolError && /no message of/.test(error.message),
    what,
  );

test('what is cut short, or longer, is refused at any place', () => {
  for (const message of messages) {
    const bytes = encode(message);
    for (let end = 0; end < bytes.length; end++) refused(bytes.slice(0, end), `${end} bytes`);
    const longer = new Uint8Array(bytes.length + 4);
    longer.set(bytes);
    refused(longer, 'four bytes more');
  }
});

test('numbers of a message reserve nothing, and are what they may be', () => {
  const bytes = encode(learn);
  const changed = (at: number, value: number) => {
    const copy = bytes.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    return copy;
  };
  // kind, step, batch, scale (8), wantsInput at 20, samples at 24, targets at 36, x at 48
  for (const at of [24, 36, 48])
    for (const count of [2 ** 32 - 1, 2 ** 31, 2 ** 31 + 2 ** 30, 2 ** 30, 2 ** 29, 9])
      refused(changed(at, count), `${count} at ${at}`);
  refused(changed(0, 99), 'a kind there is not');
  refused(changed(20, 2), 'a flag that is none');
  refused(changed(16, 0x7ff80000), 'a scale that is no number');
  refused(changed(56, 1 << 8), 'padding that is no zeros');
  assert.throws(() => encode({ kind: 'clear', step: -1 }), /-1 is no number of a message/);
  assert.throws(() => encode({ kind: 'clear', step: 2 ** 32 }), /no number of a message/);
});

test('texts are UTF-8', () => {
  const bytes = encode({ kind: 'failed', name: 'abcd', message: '' });
  bytes[8] = 0xff;
  refused(bytes, 'bytes that are no text');
});

test.run();
