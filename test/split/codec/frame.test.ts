// Frames that are not what is expected: refused by name, and nothing changes with them.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ProtocolError } from '../../../src/errors.ts';
import { createRandom } from '../../../src/math/rng.ts';
import { CodecEnd } from '../../../src/split/codec/codec.ts';
import { HEADER_BYTES, MAP, readHeader, ROWS, writeFrame } from '../../../src/split/codec/frame.ts';
import type { FrameName } from '../../../src/split/codec/options.ts';

const test = suite('split, frames');

const [T, D] = [11, 7];
const SHAPE = { width: D, mostTokens: T };
const name: FrameName = {
  ...{ kind: 'activations', step: 3, microBatch: 1, samples: [{ id: 1, count: T }] },
};
const random = createRandom(1);
const x = Float32Array.from({ length: T * D }, () => random() - 0.5);
const BITS = Uint8Array.from({ length: D }, (_, c) => 1 + c);

function frames() {
  const [client, server] = [0, 1].map(() => new CodecEnd({ codec: 'amaq' }, SHAPE));
  client.setBits(BITS);
  return { server, frame: client.encode(x, name) };
}
const expected = { kind: 'activations', step: 3, microBatch: 1, tokens: T, width: D } as const;

/** The frame with something else in it, and a checksum that is right. */
function forged(
  change: Record<string, unknown>,
  edit: (body: Uint8Array) => Uint8Array | undefined,
) {
  const { server, frame } = frames();
  const body = frame.slice(HEADER_BYTES);
  const parts = [edit(body) ?? body];
  const header = { ...readHeader(frame, expected), ...change };
  return () => {
    const before = server.bits;
    try {
      server.decode(writeFrame(header, parts), name);
    } finally {
      assert.equal(server.bits, before, 'a refused frame changed bits');
    }
  };
}
const same = () => undefined;

test('each byte is guarded: changed, cut off or added, it is refused and changes nothing', () => {
  const { server, frame } = frames();
  const before = server.bits;
  const refuse = (bytes: Uint8Array, what: string) => {
    try {
      server.decode(bytes, name);
    } catch (error) {
      assert.instance(error, ProtocolError, `${what}: ${(error as Error).stack}`);
      assert.equal(server.bits, before, what);
      return;
    }
    assert.unreachable(`${what} was accepted`);
  };
  for (let at = 0; at < frame.length; at++) {
    for (const flip of [1, 0x80, 0xff]) {
      const bytes = frame.slice();
      bytes[at] ^= flip;
      refuse(bytes, `byte ${at} changed by ${flip}`);
    }
    refuse(frame.subarray(0, at), `cut at ${at}`);
  }
  refuse(Uint8Array.of(...frame, 0), 'a byte more');
  server.decode(frame, name);
  assert.equal(server.bits, BITS);
});

test('a frame at an odd address is read', () => {
  const { server, frame } = frames();
  const room = new Uint8Array(frame.length + 3);
  room.set(frame, 3);
  assert.is(server.decode(room.subarray(3), name).length, T * D);
});

test('another frame than the next is told by what it says', () => {
  const { server, frame } = frames();
  const read = (other: Partial<FrameName>) => () => server.decode(frame, { ...name, ...other });
  assert.throws(read({ step: 4 }), /step is 3, expected 4/);
  assert.throws(read({ microBatch: 0 }), /microBatch is 1, expected 0/);
  assert.throws(read({ kind: 'gradients' }), /kind is activations, expected gradients/);
  assert.throws(read({ samples: [{ id: 1, count: 9 }] }), /tokens is 11, expected 9/);
  const narrow = new CodecEnd({ codec: 'amaq' }, { width: 6, mostTokens: T });
  assert.throws(() => narrow.decode(frame, name), /width is 7, expected 6/);
  const version = frame.slice();
  version[4] = 9;
  assert.throws(() => server.decode(version, name), /version 9, this side speaks 1: update/);
  const other = new CodecEnd({ codec: 'none' }, SHAPE);
  assert.throws(() => other.decode(frame, name), /rounded numbers, which codec none does not send/);
});

test('lies with a right checksum are refused', () => {
  for (const bits of [0, 9, 255])
    assert.throws(
      forged({}, (body) => {
        body[2] = bits;
        return undefined;
      }),
      new RegExp(`channel 2 has ${bits} bits, expected 1 to 8`),
    );
  assert.throws(
    forged({}, (body) => {
      body[2] = 8;
      return undefined;
    }),
    /checksum of bits/,
  );
  assert.throws(
    forged({}, (body) => body.slice(0, -1)),
    /length is \d+, expected \d+/,
  );
  assert.throws(
    forged({}, (body) => body.slice(0, 3)),
    /bits of 3 channels, expected 7/,
  );
  assert.throws(forged({ rows: 10 }, same), /10 rows of 11 tokens/);
  assert.throws(forged({ rows: 2 ** 31, flags: MAP | ROWS }, same), /2147483648 rows of 11/);
  assert.throws(forged({ rows: 4, flags: MAP | ROWS }, same), /tokens are marked/);
  assert.throws(forged({ group: 5 }, same), /group is 5, expected 1/);
  assert.throws(forged({ flags: 0x40 }, same), /flags 0x40 are unknown/);
  assert.throws(forged({ exponent: 4000 }, same), /exponent 4000, expected -90 to 106/);
  assert.throws(forged({ base: 5 }, same), /states of samples that this end does not have/);
  assert.throws(
    forged({}, (body) => {
      new DataView(body.buffer).setUint16(D, 0x7e00, true); // NaN
      return undefined;
    }),
    /the range of channel 0 is NaN to/,
  );
});

test('marks of tokens that there are not are refused', () => {
  const [client, server] = [0, 1].map(() => new CodecEnd({ codec: 'moved' }, SHAPE));
  server.decode(client.encode(x, name), name);
  const next = { ...name, step: 4 };
  const still = client.encode(x, next);
  const header = readHeader(still, { ...expected, step: 4 });
  assert.equal([...still.subarray(HEADER_BYTES)], [0, 0]);
  const read = (mask: Uint8Array) => () => server.decode(writeFrame(header, [mask]), next);
  assert.throws(read(Uint8Array.of(0, 1 << (T - 8))), /0 of 11 tokens are marked in 2 bytes/);
  assert.throws(read(Uint8Array.of(1, 0)), /1 of 11 tokens are marked in 2 bytes, expected 0/);
  assert.throws(read(Uint8Array.of(0)), /marked in 1 bytes, expected 0 in 2/);
  assert.throws(read(Uint8Array.of(0, 0, 0)), /length is 55, expected 54/);
  assert.is(server.decode(still, next).length, T * D);
});

test.run();
