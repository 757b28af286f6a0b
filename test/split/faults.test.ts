// Lines that do what they should not, and clients that do: a training goes on with the same bits, or
// hears why not, and the server holds no more than it said.
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import nodeAdapter from 'crossws/adapters/node';
import WebSocket from 'crossws/websocket';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Link } from '../../src/split/link.ts';
import { loadHalf } from '../../src/split/load.ts';
import { encode, type Message } from '../../src/split/messages.ts';
import { FRONT_BYTES, piecesOf, Sealer } from '../../src/split/pieces.ts';
import type { Connection } from '../../src/split/session.ts';
import { prepareSplit } from '../../src/split/train.ts';
import { VERSION } from '../../src/split/version.ts';
import { faultyTraining } from './faults.ts';
import { faults } from './faulty-way.ts';
import {
  assertSame,
  failureOf,
  lines,
  MODEL,
  serve,
  TOKEN,
  trainedSplit,
  trainedWhole,
} from './network.ts';

const test = suite('split/faults');
const cut = { cut: 1, labels: 'server' } as const;

test('a fault of each kind on the line changes no bit', async () => {
  await faultyTraining(faults.length, 2, 'client');
});

const CLIENTS = 32;

test(`${CLIENTS} clients at once all advance, one more is refused, memory is kept`, async () => {
  const memory = 100 << 20;
  const options = { steps: 5, batch: 4, rank: 2, rate: 0.01, token: TOKEN };
  const server = await serve(cut, { clients: CLIENTS, tokens: 256, memory });
  const model = await loadHalf(MODEL, 'client', cut, { threads: 1 });
  const crowd = Array.from({ length: CLIENTS - 1 }, () => new AbortController());
  const stop = () => crowd.forEach((one) => one.abort());
  try {
    // all but the last go on until they are told to stop
    const ended: Promise<unknown>[] = [];
    const begin = ({ signal }: AbortController, seed: number) =>
      new Promise<void>((resolve, reject) => {
        const how = { ...options, steps: 100_000, url: server.url, seed, signal };
        const training = prepareSplit(model, lines, { ...how, onProgress: () => resolve() });
        ended.push(training.run().catch(reject));
      });
    await Promise.all(crowd.map(begin));
    let refused: Promise<Error> | undefined;
    const onProgress = () => {
      assert.is(server.server.held.sessions, CLIENTS);
      assert.ok(server.server.held.bytes <= memory, `${server.server.held.bytes} bytes`);
      refused ??= failureOf(trainedSplit(server.url, cut, options));
    };
    const all = { ...options, url: server.url, seed: 0, onProgress };
    const result = await prepareSplit(model, lines, all).run();
    assert.match((await refused!).message, /the server has 32 clients, as many as it takes/);
    stop();
    await Promise.all(ended);
    const { token: _, ...whole } = options;
    assertSame(result, await trainedWhole({ ...whole, seed: 0 }), 'beside 31 others');
  } finally {
    stop();
    model.dispose();
    await server.close();
  }
});

/** Connections of one who never says what a client says. */
const STRANGERS = 300;

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

/** Answers that a client may leave unread. */
const WINDOW = 3;

test('one who asks and reads nothing is held no more than was counted', async () => {
  const server = await serve(cut, { window: WINDOW });
  const seen: Connection[] = [];
  const { connect: before } = server.server;
  server.server.connect = (connection) => {
    seen.push(connection);
    return before.call(server.server, connection);
  };
  const socket = new WebSocket(server.url) as globalThis.WebSocket & {
    pause(): void;
    terminate(): void;
  };
  try {
    await new Promise((resolve) => (socket.onopen = resolve));
    const model = await loadHalf(MODEL, 'client', cut);
    model.dispose();
    const { fingerprint } = model;
    const how = { tokens: 64, rank: 4, alpha: 8, targets: 'q,v', seed: 1, codec: '{}', ...cut };
    const who = { version: VERSION, token: TOKEN, fingerprint, session: '', received: 0 };
    const at = { run: 'a', step: 0, asked: 0, keeps: false };
    const sealer = new Sealer();
    const say = (message: Message, number: number) => {
      for (const piece of piecesOf(encode(message), number, 0)) socket.send(sealer.seal(piece));
    };
    const empty = server.server.held.bytes;
    say({ kind: 'hello', ...who, ...at, ...how }, 0);
    socket.pause();
    for (let number = 1; number <= WINDOW; number++) say({ kind: 'read', parameter: 0 }, number);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const counted = server.server.held.bytes - empty;
    assert.ok(seen[0].waitingBytes <= counted, `${seen[0].waitingBytes} of ${counted} bytes`);
    assert.is(server.server.held.connections, 1);
    // one more than may be: it is told so, and cut off
    say({ kind: 'read', parameter: 0 }, WINDOW + 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(server.server.held.connections, 0);
  } finally {
    socket.terminate();
    await server.close();
  }
});

test('a server that takes questions and answers none is asked no more than it said', async () => {
  let heard = 0;
  const sockets = nodeAdapter({
    hooks: {
      message(peer, { rawData }) {
        if (heard++ > 0) return;
        assert.ok((rawData as Uint8Array).length > 0);
        const welcome = {
          kind: 'welcome',
          session: 'a',
          received: 0,
          window: WINDOW,
          isRewound: false,
        } as const;
        peer.send(new Sealer().seal(piecesOf(encode(welcome), 0, 0)[0]), { compress: false });
      },
    },
  });
  const http = createServer();
  http.on('upgrade', (request, socket, head) => void sockets.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const how = { tokens: 64, rank: 4, alpha: 8, targets: 'q', seed: 1, codec: '{}', ...cut };
  const who = { version: VERSION, token: TOKEN, fingerprint: '', keeps: false, ...how };
  const link = await Link.open({ url, hello: { kind: 'hello', ...who }, mostBytes: 1 << 20 });
  try {
    const before = link.traffic.sentBytes;
    const asked = Array.from({ length: 50 }, () => link.ask({ kind: 'read', parameter: 0 }));
    for (const one of asked) one.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.is(heard - 1, WINDOW);
    const one = encode({ kind: 'read', parameter: 0 }).length + FRONT_BYTES;
    assert.is(link.traffic.sentBytes - before, WINDOW * one);
    link.close();
    for (const found of await Promise.allSettled(asked)) assert.is(found.status, 'rejected');
  } finally {
    link.close();
    sockets.closeAll(1001, '', true);
    await new Promise((resolve) => http.close(resolve));
  }
});

test.run();
