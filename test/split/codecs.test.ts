// Trainings in two halves whose hidden states and gradients are rounded: to the bit what rounding
// them in one process gives, whatever goes wrong in between.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError, ProtocolError } from '../../src/errors.ts';
import type { Ask } from '../../src/split/client.ts';
import { CodecEnd } from '../../src/split/codec/codec.ts';
import { type CodecName, codecNames, codecs } from '../../src/split/codec/codecs.ts';
import type { CodecOptions } from '../../src/split/codec/options.ts';
import { toldCodec } from '../../src/split/codec-options.ts';
import { loadHalf, type Side } from '../../src/split/load.ts';
import { Link } from '../../src/split/link.ts';
import { VERSION } from '../../src/split/version.ts';
import { fixture } from '../fixtures.ts';
import { serve, TOKEN } from './network.ts';
import { assertSame, examples, openSplit, optionsOf, type Outcome } from './halves.ts';
import { simulate } from './simulation.ts';

const test = suite('split/codecs');
const path = fixture('llama-f32.gguf');
const learned = examples.slice(1);
const measured = examples.slice(0, 1);
/** Three epochs of two steps: samples are known, gates learn and freeze. */
const STEPS = 6;

const codecOf = (codec: CodecName, more: Partial<CodecOptions> = {}): CodecOptions => ({
  ...{ codec, bits: 4, group: 8, threshold: 0.05, gradientThreshold: 0.5 },
  gates: { warmup: 1, freezeAt: 4, rate: 0.5, beta: 0.02, target: 4 },
  ...more,
});

const cutOf = (labels: Side) => ({ cut: 1, labels });

async function trained(
  labels: Side,
  depth: number,
  codec: CodecOptions,
  through?: (ask: Ask) => Ask,
) {
  const { trainer, server, close } = await openSplit(
    path,
    cutOf(labels),
    optionsOf(STEPS, depth, codec),
    through,
  );
  const bits: (readonly Uint8Array[])[] = [];
  const [losses, norms]: number[][] = [[], []];
  while (trainer.step < STEPS) {
    const report = await trainer.next(learned);
    losses.push(report.loss);
    norms.push(report.gradientNorm);
    bits.push(trainer.bits);
    // what nothing is learned from changes nothing of what is
    if (trainer.step === 3) await trainer.lossOf(measured);
  }
  const outcome: Outcome = {
    ...{ losses, norms, measured: await trainer.lossOf(measured) },
    adapters: await trainer.adapters(),
  };
  close();
  return { outcome, bits, server };
}

const simulated = (labels: Side, codec: CodecOptions, forgets: number[] = []) =>
  simulate(path, cutOf(labels), optionsOf(STEPS, 1, codec), learned, { forgets, measured });

for (const name of codecNames)
  for (const labels of ['server', 'client'] as const)
    test(`${name}, labels at the ${labels}: what rounding in one process gives`, async () => {
      const codec = codecOf(name);
      const expected = await simulated(labels, codec);
      const { losses } = expected.outcome;
      assert.ok(losses[5] < losses[0] && losses[4] < losses[0], `it learns: ${losses.join()}`);
      if (labels === 'server') {
        const one = await trained(labels, 1, codec);
        assertSame(one.outcome, expected.outcome, 'one under way');
      }
      const { outcome, bits } = await trained(labels, 3, codec);
      assertSame(outcome, expected.outcome, 'three under way');
      // an exit's bits arrive with its next frame; the last step's were settled before
      assert.equal(bits[5][0], expected.bits[5][0], 'bits');
      assert.equal(bits[5].at(-1), expected.bits[4].at(-1), 'bits at the exit');
      const mean = bits[5][0].reduce((a, b) => a + b, 0) / bits[5][0].length;
      assert.is(mean, 4);
      if ('gates' in codecs[name]) assert.ok(new Set(bits[5][0]).size > 1, 'bits are learned');
    });

test('bits of tokens, by position', async () => {
  const codec = codecOf('amaq-moved', { byToken: true });
  const expected = await simulated('client', codec);
  const found = await trained('client', 2, codec);
  assertSame(found.outcome, expected.outcome, 'by token');
  assert.is(found.bits[5][0].length, 16);
});

/** Whoever asks a `kind` for the nth time gets what `answer` makes of it. */
const onceAt =
  (kind: string, n: number, answer: (ask: Ask, message: Parameters<Ask>[0]) => ReturnType<Ask>) =>
  (ask: Ask): Ask => {
    let count = 0;
    return (message) =>
      message.kind === kind && ++count === n ? answer(ask, message) : ask(message);
  };

const lost = {
  kind: 'failed',
  name: 'ProtocolError',
  message: 'frame: it builds on nothing: ask for a frame that stands alone',
} as const;

for (const name of ['aq-sgd', 'amaq-moved'] as const)
  for (const labels of ['server', 'client'] as const)
    test(`${name}, labels at the ${labels}: a step that begins again`, async () => {
      const codec = codecOf(name);
      const kind = labels === 'server' ? 'learn' : 'through';
      // the second batch of the third step
      const { batches } = await simulated(labels, codec);
      const n = batches.findIndex(({ step }) => step === 2) + 2;
      const expected = await simulated(labels, codec, [2]);
      const refused = async () => lost;
      const again = await trained(labels, 3, codec, onceAt(kind, n, refused));
      assertSame(again.outcome, expected.outcome, 'a frame that stands alone was asked for');
      await assertGoesOn(labels, codec, kind, n, expected.outcome);
    });

/** A step that fails at both its ends is made anew by who asks again. */
async function assertGoesOn(
  labels: Side,
  codec: CodecOptions,
  kind: string,
  n: number,
  expected: Outcome,
): Promise<void> {
  const options = optionsOf(STEPS, 3, codec);
  const broken = onceAt(kind, n, async (ask, message) => {
    await ask(message); // the server has it, the client does not hear of it
    throw new RangeError('broken');
  });
  const { trainer, close } = await openSplit(path, cutOf(labels), options, broken);
  const losses: number[] = [];
  let failures = 0;
  while (trainer.step < STEPS)
    try {
      losses.push((await trainer.next(learned)).loss);
    } catch (error) {
      assert.instance(error, RangeError);
      failures++;
    }
  assert.is(failures, 1);
  assert.equal(losses, expected.losses);
  assert.is(await trainer.lossOf(measured), expected.measured);
  close();
}

test('a server that lost what frames build on is sent frames that stand alone', async () => {
  for (const name of ['aq-sgd', 'amaq-moved'] as const) {
    const codec = codecOf(name);
    const { trainer, server, close } = await openSplit(
      path,
      cutOf('server'),
      optionsOf(STEPS, 3, codec),
    );
    const fresh = server.half.entry.save();
    const expected = await simulated('server', codec, [4]);
    const losses: number[] = [];
    while (trainer.step < STEPS) {
      if (trainer.step === 4) server.half.entry.restore(fresh);
      losses.push((await trainer.next(learned)).loss);
    }
    assert.equal(losses, expected.outcome.losses, name);
    close();
  }
});

test('who asks for frames that stand alone again and again is not heard', async () => {
  const always =
    (ask: Ask): Ask =>
    async (message) =>
      message.kind === 'learn' ? lost : ask(message);
  const { trainer, close } = await openSplit(
    path,
    cutOf('server'),
    optionsOf(STEPS, 2, codecOf('moved')),
    always,
  );
  const error = await failureOf(trainer.next(learned));
  assert.instance(error, ProtocolError);
  assert.match(error.message, /stands alone/);
  close();
});

async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}

test('frames of others are refused, and nothing changes', async () => {
  const codec = codecOf('moved', { gradientThreshold: 0 });
  const options = optionsOf(STEPS, 1, codec);
  const { server, close } = await openSplit(path, cutOf('server'), options);
  const shape = { width: server.model.config.width, mostTokens: options.tokens };
  const x = Float32Array.from({ length: 5 * shape.width }, (_, i) => Math.sin(i));
  const samples = [{ id: 3, count: 5 }];
  const frameOf = (how: CodecOptions, microBatch = 0) =>
    new CodecEnd(how, shape).encode(x, { kind: 'activations', step: 0, microBatch, samples });
  const ask = (frame: Uint8Array) =>
    server.ask({
      ...{ kind: 'learn', step: 0, batch: 0, scale: 1, wantsInput: true, x: frame },
      samples: Int32Array.of(3, 5),
      targets: Int32Array.of(1, 2, 3, 4, 5),
    });
  const good = frameOf(codec);
  const changed = good.slice();
  changed[100] ^= 4;
  const refusals: [Uint8Array, RegExp][] = [
    [good.subarray(0, 51), /51 bytes, expected 52 at least/],
    [good.subarray(0, good.length - 1), /length is \d+, expected \d+/],
    [changed, /checksum is/],
    [frameOf(codecOf('none')), /f32, which codec moved does not send/],
    [frameOf(codecOf('tensor')), /group is/],
    [frameOf({ ...codec, bits: 3 }), /bits that this end does not have/],
    [frameOf(codec, 1), /microBatch is 1, expected 0/],
    [new Uint8Array(0), /0 bytes/],
  ];
  for (const [frame, pattern] of refusals) {
    const error = await failureOf(ask(frame));
    assert.instance(error, ProtocolError);
    assert.match(error.message, pattern);
  }
  assert.is((await ask(good)).kind, 'learned');
  close();
});

test('numbers that are not finite end a training that rounds them, and it can go on', async () => {
  const codec = codecOf('channel');
  const { trainer, close } = await openSplit(path, cutOf('server'), {
    ...optionsOf(STEPS, 2, codec),
    rate: 1e30,
    clip: 1e30,
    warmup: 0,
  });
  let error: Error | undefined;
  for (let step = 0; step < STEPS && !error; step++)
    error = await trainer.next(learned).then(
      () => undefined,
      (e: unknown) => e as Error,
    );
  assert.instance(error, OptionError, String(error));
  assert.match(error!.message, /lower the rate/);
  close();
});

test('a codec that is none, or keeps too much, is refused by the server', async () => {
  const server = await serve(cutOf('server'), { memory: 64 << 20 }, path);
  const model = await loadHalf(path, 'client', cutOf('server'), { threads: 1 });
  const { fingerprint } = model;
  model.dispose();
  const hello = {
    ...({ kind: 'hello', version: VERSION, token: TOKEN, fingerprint, tokens: 16 } as const),
    ...{ ...cutOf('server'), rank: 3, alpha: 6, targets: 'q', seed: 1, keeps: false },
  };
  const open = (codec: string) =>
    Link.open({ url: server.url, hello: { ...hello, codec }, mostBytes: 1 << 20 });
  const refusals: [string, RegExp][] = [
    ['', /the codec is '', expected options as JSON/],
    ['[1', /expected options as JSON/],
    ['{"codec":"zip"}', /codec\.codec is 'zip'/],
    ['{"bits":9}', /codec\.bits is 9, expected a number from 1 to 8/],
    ['{"codec":"channel","bits":3.5}', /bits is 3\.5, expected a whole number/],
    ['{"codec":"amaq","bits":1}', /bits are 1 on average, 2 to 8 a channel/],
    ['{"more":1}', /more/],
    ['{"codec":"group","byToken":true}', /leave byToken out/],
    ['{"codec":"aq-sgd","stateBytes":1e12}', /takes .* at the server, which holds .*stateBytes/],
  ];
  try {
    for (const [codec, pattern] of refusals)
      assert.match((await failureOf(open(codec))).message, pattern, codec);
    const takes = async (codec: string) => {
      const before = server.server.held.bytes;
      const told = { codec, gradientThreshold: 0.1, stateBytes: 1 << 20 };
      const link = await open(JSON.stringify(told));
      link.close();
      return server.server.held.bytes - before;
    };
    const plain = await takes('channel');
    assert.is(await takes('aq-sgd'), plain + (1 << 20), 'states of activations');
    assert.is(await takes('moved'), plain + (2 << 20), 'and of gradients');
  } finally {
    await server.close();
  }
});
test('a threshold of gradients is refused where all are sent', () => {
  const course = { steps: 4, width: 8, lengths: [3] };
  const told = (codec: CodecName) => toldCodec({ codec, gradientThreshold: 0.5 }, course);
  assert.is(told('moved').gradientThreshold, 0.5);
  assert.throws(
    () => told('channel'),
    (e: Error) => e.name === 'OptionError' && /channel sends all.*amaq-moved/.test(e.message),
  );
});

test.run();
