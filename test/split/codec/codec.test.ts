// Two ends of a cut: what one sends, the other reads, whatever the codec; sizes to the byte; state
// that stays in step and inside its bound.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../../src/math/rng.ts';
import { CodecEnd } from '../../../src/split/codec/codec.ts';
import { type CodecName, codecNames, codecs } from '../../../src/split/codec/codecs.ts';
import { frameBytes, HEADER_BYTES, mostFrameBytes } from '../../../src/split/codec/frame.ts';
import {
  type CodecOptions,
  createGates,
  type FrameName,
} from '../../../src/split/codec/options.ts';
import type { Sample } from '../../../src/split/codec/samples.ts';

const test = suite('split, codecs');

const [D, MOST] = [37, 48];
const SHAPE = { width: D, mostTokens: MOST };
const BATCHES: readonly (readonly Sample[])[] = [
  [
    { id: 4, count: 9 },
    { id: 2, count: 14 },
  ],
  [{ id: 7, count: 31 }],
];
const tokensOf = (samples: readonly Sample[]) => samples.reduce((n, { count }) => n + count, 0);

/** Activations with channels of very different sizes, which move a little with every epoch. */
function activations(samples: readonly Sample[], epoch: number, moved = 1): Float32Array {
  const still = createRandom(samples[0].id + 1);
  const random = createRandom(1000 * samples[0].id + epoch);
  return Float32Array.from({ length: tokensOf(samples) * D }, (_, i) => {
    const size = i % D === 5 ? 200 : 1;
    const isMoved = Math.floor(i / D) < moved * tokensOf(samples);
    return size * (still() - 0.4 + (isMoved ? 0.3 * (random() - 0.5) : 0));
  });
}

function ends(options: CodecOptions): [CodecEnd, CodecEnd] {
  return [new CodecEnd(options, SHAPE), new CodecEnd(options, SHAPE)];
}
const nameOf = (samples: readonly Sample[], step: number, kind: FrameName['kind']) => ({
  ...{ kind, step, microBatch: 0, samples },
});
const errorOf = (x: Float32Array, y: Float32Array, isCounted: (c: number) => boolean) =>
  Math.sqrt(x.reduce((sum, v, i) => sum + (isCounted(i % D) ? (v - y[i]) ** 2 : 0), 0) / x.length);
const isPlain = (c: number) => c !== 5;

for (const codec of codecNames)
  for (const byToken of [false, true]) {
    const { ranges } = codecs[codec];
    if (byToken && ranges !== 'channel') continue;
    test(`${codec}${byToken ? ', by token' : ''}: both ends agree, epoch after epoch`, () => {
      const options = { codec, byToken, group: 8, bits: 6, gradientThreshold: 0.1 };
      const [client, server] = ends(options);
      for (let epoch = 0; epoch < 4; epoch++)
        for (const [b, samples] of BATCHES.entries())
          for (const [from, to, kind, scale] of [
            [client, server, 'activations', 1],
            [server, client, 'gradients', 1e-9],
          ] as const) {
            const x = activations(samples, epoch).map((v) => v * scale);
            const name = nameOf(samples, epoch * 2 + b, kind);
            const frame = from.encode(x, name);
            assert.ok(frame.length <= mostFrameBytes(MOST, D));
            const back = to.decode(frame, name);
            if (codec === 'none') assert.equal(back, x);
            // one range for all is as coarse as the largest channel
            const most = ranges === 'channel' && !byToken ? 0.02 : 4;
            const isMoved = 'last' in codecs[codec] && codecs[codec].last === 'moved';
            const limit = scale * (most + (isMoved ? 4 : 0));
            assert.ok(errorOf(x, back, isPlain) <= limit, `${errorOf(x, back, isPlain)}`);
            assert.is(client.stateBytes, codec === 'none' ? 0 : client.stateBytes);
          }
      assert.is(client.stateBytes, server.stateBytes);
      assert.is(client.stateBytes > 0, 'last' in codecs[codec]);
    });
  }

test('sizes are what the formula says', () => {
  const samples = BATCHES[0];
  const T = tokensOf(samples);
  const x = activations(samples, 0);
  const sizeOf = (options: CodecOptions) =>
    new CodecEnd(options, SHAPE).encode(x, nameOf(samples, 0, 'activations')).length;
  for (const bits of [1, 3, 4, 8]) {
    const size = { tokens: T, width: D, bits: T * D * bits };
    assert.is(sizeOf({ codec: 'tensor', bits }), frameBytes({ ...size, ranges: 1 }));
    assert.is(sizeOf({ codec: 'group', bits, group: 8 }), frameBytes({ ...size, ranges: 5 }));
    assert.is(sizeOf({ codec: 'channel', bits }), frameBytes({ ...size, ranges: D }));
    assert.is(sizeOf({ codec: 'channel', bits }), 52 + 4 * D + Math.ceil((T * D * bits) / 8));
    const byToken = sizeOf({ codec: 'channel', bits, byToken: true });
    assert.is(byToken, frameBytes({ ...size, ranges: T }));
  }
  assert.is(sizeOf({ codec: 'none' }), 52 + 4 * T * D);
  assert.is(sizeOf({ codec: 'aq-sgd' }), frameBytes({ tokens: T, width: D, ranges: 0, bits: 0 }));
  // 256 tokens at 4 bits: the promise is 1 / 7.5
  const large = frameBytes({ tokens: 256, width: 64, ranges: 64, bits: 256 * 64 * 4 });
  assert.is(large, 8500);
  assert.ok((256 * 64 * 4) / large >= 7.5);
});

test('bits that changed are told once, and hold for both ways', () => {
  const [client, server] = ends({ codec: 'amaq' });
  const samples = BATCHES[1];
  const T = tokensOf(samples);
  const x = activations(samples, 0);
  const bits = Uint8Array.from({ length: D }, (_, c) => 1 + (c % 8));
  const size = { tokens: T, width: D, ranges: D, bits: T * bits.reduce((sum, b) => sum + b, 0) };
  client.setBits(bits);
  const first = client.encode(x, nameOf(samples, 0, 'activations'));
  assert.is(first.length, frameBytes({ ...size, mapBytes: D }));
  server.decode(first, nameOf(samples, 0, 'activations'));
  assert.equal(server.bits, bits);
  const back = server.encode(x, nameOf(samples, 0, 'gradients'));
  assert.is(back.length, frameBytes(size));
  client.decode(back, nameOf(samples, 0, 'gradients'));
  const next = client.encode(x, nameOf(samples, 1, 'activations'));
  assert.is(next.length, frameBytes(size));
  const [, other] = ends({ codec: 'amaq' });
  assert.throws(
    () => other.decode(next, nameOf(samples, 1, 'activations')),
    /bits that this end does not have: ask for a frame that stands alone/,
  );
  client.forget();
  other.decode(
    client.encode(x, nameOf(samples, 1, 'activations')),
    nameOf(samples, 1, 'activations'),
  );
  assert.equal(other.bits, bits);
  assert.throws(() => client.setBits(new Uint8Array(D)), /expected 37 from 1 to 8/);
});

test('changes of a sample that stands still are sent ever finer', () => {
  const [client, server] = ends({ codec: 'aq-sgd', bits: 2 });
  const [samples] = BATCHES;
  const errors: number[] = [];
  for (let epoch = 0; epoch < 5; epoch++) {
    const x = activations(samples, epoch === 0 ? 0 : 1);
    const name = nameOf(samples, epoch, 'activations');
    errors.push(errorOf(x, server.decode(client.encode(x, name), name), isPlain));
  }
  assert.is(errors[0], 0);
  assert.ok(errors[1] > errors[2] && errors[2] > errors[3] && errors[3] > errors[4], `${errors}`);
});

test('tokens that did not move are not sent', () => {
  const [client, server] = ends({ codec: 'moved', bits: 8, threshold: 0.02 });
  const [samples] = BATCHES;
  const T = tokensOf(samples);
  const send = (step: number, x: Float32Array) => {
    const name = nameOf(samples, step, 'activations');
    const frame = client.encode(x, name);
    return { frame, back: server.decode(frame, name) };
  };
  const first = send(0, activations(samples, 0));
  const still = send(1, activations(samples, 0));
  assert.is(still.frame.length, HEADER_BYTES + Math.ceil(T / 8));
  assert.equal(still.back, first.back);
  const x = activations(samples, 0);
  for (const t of [3, 11]) x.fill(0.5, t * D, (t + 1) * D);
  const some = send(2, x);
  const size = { tokens: T, width: D, rows: 2, ranges: D, bits: 2 * D * 8 };
  assert.is(some.frame.length, frameBytes(size));
  for (let t = 0; t < T; t++) {
    const expected = t === 3 || t === 11 ? x : first.back;
    assert.equal(some.back.slice(t * D, t * D + D), expected.slice(t * D, t * D + D), `token ${t}`);
  }
});

for (const codec of ['aq-sgd', 'amaq-moved'] as const satisfies CodecName[])
  test(`${codec}: states stay inside their bound, and lost ones are told`, () => {
    const stateBytes = 3 * (10 * D * 4 + 128);
    const [client, server] = ends({ codec, stateBytes });
    const random = createRandom(5);
    for (let step = 0; step < 60; step++) {
      // a line may be read again with other tokens
      const samples = [{ id: Math.floor(6 * random()), count: 7 + Math.floor(random() * 4) }];
      const name = nameOf(samples, step, 'activations');
      server.decode(client.encode(activations(samples, step), name), name);
      assert.is(client.stateBytes, server.stateBytes);
      assert.ok(client.stateBytes <= stateBytes, `${client.stateBytes}`);
    }
    const samples = [{ id: 1, count: 10 }];
    const [name, again] = [60, 61].map((step) => nameOf(samples, step, 'activations'));
    const x = activations(samples, 60);
    server.decode(client.encode(x, name), name);
    const [, fresh] = ends({ codec, stateBytes });
    const frame = client.encode(activations(samples, 61), again);
    assert.throws(() => fresh.decode(frame, again), /states of samples that this end does not/);
    server.decode(frame, again);
    assert.throws(() => server.decode(frame, again), /states of samples/, 'a frame read twice');
    client.forget();
    fresh.decode(client.encode(x, again), again);
    assert.is(fresh.stateBytes, client.stateBytes);
    // an end that lost nothing forgets with the other, and both go on
    client.forget();
    for (const step of [62, 63]) {
      const next = nameOf(samples, step, 'activations');
      server.decode(client.encode(activations(samples, step), next), next);
      assert.is(server.stateBytes, client.stateBytes);
    }
  });

for (const codec of codecNames)
  test(`${codec}: saved and restored, both ends go on with the same bytes`, () => {
    const options = { codec, gradientThreshold: 0.1 };
    const pair = ends(options);
    const other = ends(options);
    const bits = Uint8Array.from({ length: D }, (_, c) => 1 + (c % 8));
    const run = ([client, server]: readonly CodecEnd[], step: number) =>
      BATCHES.map((samples) => {
        const x = activations(samples, step);
        const there = nameOf(samples, step, 'activations');
        const back = nameOf(samples, step, 'gradients');
        const y = server.decode(client.encode(x, there), there);
        const frame = server.encode(y, back);
        return [y, frame, client.decode(frame, back)];
      });
    run(pair, 0);
    pair[0].setBits(bits);
    for (const [i, end] of pair.entries()) other[i].restore(structuredClone(end.save()));
    for (const step of [1, 2]) assert.equal(run(other, step), run(pair, step), `step ${step}`);
    assert.equal(other[1].bits, bits);
    const narrow = new CodecEnd(options, { width: 5, mostTokens: 5 });
    assert.throws(() => narrow.restore(pair[0].save()), /37 of them, expected 5 from 1 to 8/);
  });

test('gates belong to codecs whose bits are learned', () => {
  for (const codec of codecNames)
    assert.is(createGates({ codec }, SHAPE) !== undefined, 'gates' in codecs[codec]);
  assert.is(createGates({ codec: 'amaq', byToken: true }, SHAPE)!.whole.length, MOST);
  assert.is(new CodecEnd({ codec: 'amaq', gates: { most: 6 } }, SHAPE).bits[0], 6);
});

test('what cannot be sent, or opened, is refused', () => {
  const name = nameOf(BATCHES[0], 0, 'activations');
  const x = activations(BATCHES[0], 0);
  const [client] = ends({ codec: 'channel' });
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, 3e38]) {
    const broken = x.slice();
    broken[70] = odd;
    assert.throws(() => client.encode(broken, name), /NaN, infinite or above/);
  }
  assert.throws(() => client.encode(x.subarray(1), name), /850 numbers, expected 23 tokens of 37/);
  const tooMany = nameOf([{ id: 1, count: MOST + 1 }], 0, 'activations');
  assert.throws(() => client.encode(x, tooMany), /49 tokens/);
  assert.throws(() => ends({ codec: 'zip' as CodecName }), /codec is 'zip', expected none or/);
  assert.throws(() => ends({ codec: 'channel', bits: 9 }), /bits is 9, expected/);
  assert.throws(() => ends({ codec: 'tensor', byToken: true }), /leave byToken out/);
});

test.run();
