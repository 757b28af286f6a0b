// What goes over the line is what docs/split.md ('Bytes') predicts, to the byte: by its formulas,
// written out here, and the frames of a training in one process.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ClientOptions, SplitTrainer } from '../../src/split/client.ts';
import { type CodecName, codecNames } from '../../src/split/codec/codecs.ts';
import { Link } from '../../src/split/link.ts';
import { loadHalf, type Side } from '../../src/split/load.ts';
import { messageBytes } from '../../src/split/messages.ts';
import { trafficOf } from '../../src/split/report.ts';
import { VERSION } from '../../src/split/version.ts';
import type { Example } from '../../src/train/batches.ts';
import { fixture } from '../fixtures.ts';
import { examples as few, optionsOf } from './halves.ts';
import { serve, TOKEN } from './network.ts';
import { type SentBatch, simulate } from './simulation.ts';

const test = suite('split/bytes');
/** 64 channels. */
const SMALL = fixture('llama-f32.gguf');

/** Bytes of a message on the line, and of the sign of life that says that it arrived. */
const piece = 20;
const onLine = (bytes: number) => bytes + piece * Math.ceil(bytes / 2 ** 18);
const words = (bytes: number) => 4 * Math.ceil(bytes / 4);

/** What a batch of T tokens of L lines sends and receives, by its frames. */
function batchBytes(labels: Side, { tokens: T, lines: L, frames }: SentBatch) {
  const f = frames.map(words);
  if (labels === 'server')
    return {
      sent: onLine(36 + 4 * L + words(2 * T) + f[0]) + piece,
      received: onLine(16 + f[1]),
    };
  return {
    sent: onLine(24 + 4 * L + f[0]) + onLine(20 + f[2]) + 2 * piece,
    received: onLine(8 + f[1]) + onLine(8 + f[3]),
  };
}
const stepBytes = { sent: onLine(40) + piece, received: onLine(16) };

/** Trains over a socket; what the steps took, the greeting apart. */
async function overSocket(
  path: string,
  labels: Side,
  options: ClientOptions,
  examples: readonly Example[],
) {
  const cut = { cut: 1, labels };
  const server = await serve(cut, {}, path);
  const model = await loadHalf(path, 'client', cut, { threads: 1 });
  const { tokens, seed, shape, codec } = options;
  const { rank, alpha } = shape;
  const hello = {
    ...({ kind: 'hello', version: VERSION, token: TOKEN, fingerprint: model.fingerprint } as const),
    ...{ ...cut, tokens, rank, alpha, targets: shape.targets.join(), seed },
    codec: toldOf(codec),
    keeps: false,
  };
  const link = await Link.open({ url: server.url, hello, mostBytes: 1 << 24 });
  try {
    const greeting = link.traffic;
    const numbers = { run: crypto.randomUUID(), step: 0, asked: 0, received: 0 };
    const first = messageBytes({ ...hello, ...numbers, session: '' });
    assert.is(greeting.sentBytes, onLine(first), 'the greeting');
    // welcome: kind, a session's name of 36 letters, three numbers
    assert.is(greeting.receivedBytes - greeting.lifeBytes, onLine(4 + 4 + 36 + 12), 'its answer');
    const trainer = new SplitTrainer(model, link, options);
    const steps: { sent: number; received: number }[] = [];
    let [sent, received] = [greeting.sentBytes, greeting.receivedBytes - greeting.lifeBytes];
    while (trainer.step < options.steps) {
      await trainer.next(examples);
      const now = link.traffic;
      const came = now.receivedBytes - now.lifeBytes;
      steps.push({ sent: now.sentBytes - sent, received: came - received });
      [sent, received] = [now.sentBytes, came];
    }
    const traffic = trafficOf(link.traffic, trainer.frames);
    trainer.dispose();
    return { steps, traffic, greeting };
  } finally {
    link.close();
    model.dispose();
    await server.close();
  }
}

const toldOf = ({ gates, ...codec }: ClientOptions['codec']): string =>
  JSON.stringify({
    ...{ ...codec, gateWarmup: gates?.warmup, gateFreeze: gates?.freezeAt },
    ...{ gateRate: gates?.rate, gateWeight: gates?.beta },
  });

function predicted(labels: Side, batches: readonly SentBatch[], step: number) {
  const own = batches.filter((batch) => batch.step === step);
  return own
    .map((batch) => batchBytes(labels, batch))
    .reduce(
      (sum, { sent, received }) => ({ sent: sum.sent + sent, received: sum.received + received }),
      stepBytes,
    );
}

const codecOf = (codec: CodecName): ClientOptions['codec'] => ({
  ...{ codec, bits: 4, group: 8, threshold: 0.05, gradientThreshold: 0.5, stateBytes: 1 << 20 },
  gates: { warmup: 0, freezeAt: 1, rate: 0.5, beta: 0.02 },
});

for (const name of codecNames)
  test(`${name}: every step takes the bytes that were predicted`, async () => {
    const learned = few.slice(1);
    const options = optionsOf(4, 2, codecOf(name));
    for (const labels of ['server', 'client'] as const) {
      const { batches } = await simulate(SMALL, { cut: 1, labels }, options, learned);
      const { steps, traffic } = await overSocket(SMALL, labels, options, learned);
      for (const [step, found] of steps.entries())
        assert.equal(found, predicted(labels, batches, step), `${labels}, step ${step}`);
      const frames = batches.flatMap((batch) => batch.frames).reduce((a, b) => a + b, 0);
      const { payload, ranges, maps, headers, asF32 } = traffic.frames;
      assert.is(payload + ranges + maps + headers, frames);
      assert.is(traffic.otherBytes + frames, traffic.sentBytes + traffic.receivedBytes);
      assert.is(traffic.savedBytes, asF32 - frames);
      const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0);
      const ways = labels === 'server' ? 2 : 4;
      assert.is(asF32, ways * tokens * 64 * 4, 'the same as f32');
      assert.is(headers, batches.length * ways * 52);
      if (name === 'none') assert.equal([payload, ranges, maps], [asF32, 0, 0]);
      if (name === 'amaq')
        assert.is(maps, 64 * (ways / 2), 'bits are told once: they froze at once');
    }
  });

/** Eight lines of 32 tokens that are inputs: a batch of 256. */
const BUNDLED = new URL('../../../../models/recollect-tiny.gguf', import.meta.url).pathname;
const lines: readonly Example[] = Array.from({ length: 8 }, (_, i) => {
  const tokens = Array.from({ length: 33 }, (__, t) => 20 + ((t * 7 + i) % 40));
  return { tokens, isLearned: tokens.map((__, t) => t > 0), line: i + 1 };
});

for (const name of ['channel', 'amaq'] as const)
  test(`${name}: batches of 256 tokens at 4 bits take 1/7.5 of f32, all counted`, async () => {
    const options = { ...optionsOf(3, 2, codecOf(name)), tokens: 256, batch: 8 };
    for (const labels of ['server', 'client'] as const) {
      const { steps } = await overSocket(BUNDLED, labels, options, lines);
      const asF32 = (labels === 'server' ? 2 : 4) * 256 * 128 * 4;
      for (const { sent, received } of steps.slice(1)) {
        const share = asF32 / (sent + received);
        assert.ok(share >= 7.5, `labels at the ${labels}: 1/${share.toFixed(3)}`);
      }
    }
  });

test.run();
