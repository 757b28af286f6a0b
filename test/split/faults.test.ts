// Lines that do what they should not, and clients that do: a training goes on with the same bits, or
// hears why not, and the server holds no more than it said.
import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadHalf } from '../../src/split/load.ts';
import { prepareSplit } from '../../src/split/train.ts';
import { faultyTraining } from './faults.ts';
import { faults } from './faulty-way.ts';
import { assertSame, lines, MODEL, serve, TOKEN, trainedSplit, trainedWhole } from './network.ts';

const test = suite('split/faults');
const cut = { cut: 1, labels: 'server' } as const;

test('a fault of each kind on the line changes no bit', async () => {
  await faultyTraining(faults.length, 2, 'client');
});

const CLIENTS = 32;

test(`${CLIENTS} clients at once advance alike, one more is refused, memory is kept`, async () => {
  const memory = 100 << 20;
  const options = { steps: 5, batch: 4, rank: 2, rate: 0.01, token: TOKEN };
  const server = await serve(cut, { clients: CLIENTS, tokens: 256, memory });
  const model = await loadHalf(MODEL, 'client', cut, { threads: 1 });
  const steps = new Array<number>(CLIENTS).fill(0);
  let slowest = 0;
  let refusal: Error | undefined;
  try {
    const trainings = steps.map((_, seed) => {
      const onProgress = ({ step }: { step: number }) => {
        steps[seed] = step;
        if (step === 1 && !steps.includes(0)) {
          assert.is(server.server.held.sessions, CLIENTS);
          assert.ok(server.server.held.bytes <= memory, `${server.server.held.bytes} bytes`);
          trainedSplit(server.url, cut, options).catch((error: Error) => (refusal = error));
        }
        if (step === options.steps) slowest ||= Math.min(...steps);
      };
      const all = { ...options, url: server.url, seed, onProgress };
      return prepareSplit(model, lines, all).run();
    });
    const results = await Promise.all(trainings);
    assert.ok(slowest >= options.steps - 2, `the slowest had ${slowest} steps when one was ready`);
    assert.match(String(refusal), /the server has 32 clients, as many as it takes/);
    const { token: _, ...whole } = options;
    for (const seed of [0, CLIENTS - 1])
      assertSame(results[seed], await trainedWhole({ ...whole, seed }), `seed ${seed}`);
  } finally {
    model.dispose();
    await server.close();
  }
});

/** Connections of one who never says what a client says. */
const STRANGERS = 1000;

test(`${STRANGERS} strangers at once are soon gone, and leave nothing behind`, async () => {
  const server = await serve(cut, { clients: 2 });
  const upgrade =
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  let most = 0;
  const ended: Promise<void>[] = [];
  try {
    for (let i = 0; i < STRANGERS; i++) {
      const socket = connect(server.port, '127.0.0.1');
      ended.push(new Promise((resolve) => socket.on('close', () => resolve())));
      socket.on('error', () => {}).resume();
      // half of them send what is no frame, half a frame that is no greeting
      const frame =
        i % 2 ? Buffer.alloc(64, 0xff) : Buffer.from([0x82, 0x84, 0, 0, 0, 0, 1, 2, 3, 4]);
      socket.write(upgrade);
      socket.write(frame);
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      most = Math.max(most, server.server.held.connections);
    }
    assert.ok(most <= 6, `${most} connections, 2 clients`);
    await Promise.all(ended);
    assert.is(server.server.held.connections, 0);
    assertSame(await trainedSplit(server.url, cut), await trainedWhole(), 'behind them');
  } finally {
    await server.close();
  }
});

test.run();
