// Split trainings over sockets of this machine.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Link } from '../../src/split/link.ts';
import { loadHalf } from '../../src/split/load.ts';
import { decode, encode, type Message, type MessageOf } from '../../src/split/messages.ts';
import { Assembler, MOST_PIECE_BYTES, piecesOf, Sealer } from '../../src/split/pieces.ts';
import { VERSION } from '../../src/split/version.ts';
import { fixture } from '../fixtures.ts';
import { cutTraining } from './cuts.ts';
import {
  assertSame,
  MODEL,
  serve,
  spawnServer,
  TOKEN,
  trainedSplit,
  trainedWhole,
} from './network.ts';

const test = suite('split/network');
const cut = { cut: 1, labels: 'server' } as const;

for (const labels of ['server', 'client'] as const)
  test(`two processes give the bits of one, labels at the ${labels}`, async () => {
    const whole = await trainedWhole();
    const server = await spawnServer({ cut: 1, labels });
    try {
      for (const depth of [1, 3]) {
        const found = await trainedSplit(server.url, { cut: 1, labels }, { depth });
        assertSame(found, whole, `${depth} under way`);
        assert.is(found.traffic.reconnects, 0);
      }
    } finally {
      await server.close();
    }
  });

for (const labels of ['server', 'client'] as const)
  test(`connections that are cut lose no step and repeat none, labels: ${labels}`, async () => {
    await cutTraining(8, 3, labels);
  });

test('clients at once have trainings of their own', async () => {
  const server = await serve(cut, { clients: 3 });
  try {
    const seeds = [1, 2, 3];
    const found = await Promise.all(seeds.map((seed) => trainedSplit(server.url, cut, { seed })));
    for (const [i, seed] of seeds.entries())
      assertSame(found[i], await trainedWhole({ seed }), `seed ${seed}`);
    await until(() => server.server.held.sessions === 0);
  } finally {
    await server.close();
  }
});

async function until(reached: () => boolean): Promise<void> {
  const began = performance.now();
  while (!reached()) {
    assert.ok(performance.now() - began < 10_000, `in time: ${reached}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function errorOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}

/** What a client of this model says first. */
async function helloOf(more: Partial<MessageOf<'hello'>> = {}) {
  const model = await loadHalf(MODEL, 'client', cut);
  model.dispose();
  const numbers = { run: 'a run', step: 0, asked: 0, keeps: false };
  const told = { tokens: 64, rank: 4, alpha: 8, targets: 'q,v', seed: 1, codec: '{}' };
  const how = { ...numbers, ...told, ...cut };
  const { fingerprint } = model;
  return { kind: 'hello', version: VERSION, token: TOKEN, fingerprint, ...how, ...more } as const;
}

test('who may not come in hears why', async () => {
  const server = await serve(cut, { clients: 1 });
  const { url } = server;
  const refusals: [() => Promise<unknown>, RegExp][] = [
    [() => trainedSplit(url, cut, { token: 'another' }), /the token is another/],
    [() => trainedSplit(url, { cut: 0, labels: 'server' }), /the cut is 0, expected 1/],
    [() => trainedSplit(url, { cut: 1, labels: 'client' }), /labels is client, expected server/],
    [
      () => trainedSplit(url, cut, {}, fixture('llama-q4_0.gguf')),
      /fingerprint is \w+, expected \w+/,
    ],
    [() => trainedSplit(url, cut, { rank: 9 }), /the rank is 9, expected 1 to 8/],
    [() => trainedSplit(url, cut, { depth: 9 }), /depth is 9, the server takes 4/],
    [() => trainedSplit('ws://127.0.0.1:1', cut), /could not be reached in \d tries/],
    [() => trainedSplit('nowhere', cut), /'nowhere', which is no address of a server/],
    [() => trainedSplit(`${url},http://127.0.0.1:1`, cut), /'http:.*no address of a server: exp/],
    [() => trainedSplit(`${url},`, cut), /has '', which is no address of a server/],
  ];
  try {
    for (const [work, pattern] of refusals) assert.match((await errorOf(work())).message, pattern);
    const open = async (more: Partial<MessageOf<'hello'>>) =>
      Link.open({ url, hello: await helloOf(more), mostBytes: 1 << 20 });
    assert.match((await errorOf(open({ version: 99 }))).message, /version .* is 99, expected 2/);
    assert.match((await errorOf(open({ targets: 'q,z' }))).message, /a target is 'z'/);
  } finally {
    await server.close();
  }
});

/** A connection of one that does not keep to the rules. */
async function stranger(url: string) {
  const { default: Socket } = await import('crossws/websocket');
  const socket = new Socket(url) as WebSocket & { pause?(): void };
  socket.binaryType = 'arraybuffer';
  const closed = new Promise<void>((resolve) => (socket.onclose = () => resolve()));
  await new Promise((resolve) => (socket.onopen = resolve));
  const sealer = new Sealer();
  const say = (message: Message, number = 0) => {
    for (const piece of piecesOf(encode(message), number, 0)) socket.send(sealer.seal(piece));
  };
  return { socket, closed, say };
}

test('what is no message ends its connection, and nothing else', async () => {
  const server = await serve(cut);
  try {
    const hello = { ...(await helloOf()), session: '', received: 0 };
    const first = (bytes: Uint8Array<ArrayBuffer>, number = 0) =>
      new Sealer().seal(piecesOf(bytes, number, 0)[0]);
    const piece = first(encode(hello));
    const changed = piece.slice();
    changed[30] ^= 1;
    const huge = new Uint8Array(MOST_PIECE_BYTES + 4);
    const large = first(new Uint8Array(1 << 20), 1);
    const garbage = [
      'a text',
      new Uint8Array(0),
      new Uint8Array(40).fill(7),
      changed,
      huge,
      large,
      first(new Uint8Array(64).fill(255)),
      first(encode({ kind: 'done' })),
    ];
    for (const one of garbage) {
      const { socket, closed } = await stranger(server.url);
      socket.send(one);
      await closed;
    }
    // one who was let in, and then asks what cannot be: a number left out, too many at once
    for (const numbers of [[2], [1, 2, 3, 4, 5, 6, 7]]) {
      const { closed, say } = await stranger(server.url);
      say(hello);
      for (const number of numbers) say({ kind: 'read', parameter: 0 }, number);
      await closed;
    }
    await until(() => server.server.held.connections === 0);
    assertSame(await trainedSplit(server.url, cut), await trainedWhole(), 'after all that');
  } finally {
    await server.close();
  }
});

test('a question that comes twice is taken once', async () => {
  const server = await serve(cut);
  try {
    const { socket, say } = await stranger(server.url);
    const assembler = new Assembler(() => 1 << 20);
    const answers: unknown[] = [];
    socket.onmessage = ({ data }) => {
      const { number, bytes } = assembler.add(new Uint8Array(data as ArrayBuffer));
      if (bytes && number > 0) answers.push([number, decode(bytes).kind]);
    };
    say({ ...(await helloOf()), session: '', received: 0 });
    const how = { kind: 'apply', squares: 1, rate: 0.1, clip: 1, decay: 0 } as const;
    say({ ...how, step: 0 }, 1);
    say({ ...how, step: 0 }, 1);
    say({ ...how, step: 1 }, 2);
    await until(() => answers.length === 2);
    assert.equal(answers, [
      [1, 'applied'],
      [2, 'applied'],
    ]);
    socket.close();
  } finally {
    await server.close();
  }
});

test('one who takes no answer is cut off, and given up after a while', async () => {
  const server = await serve(cut, { stallMs: 300, leaseMs: 1500 });
  try {
    const before = server.server.held.bytes;
    const { socket, say } = await stranger(server.url);
    say({ ...(await helloOf()), session: '', received: 0 });
    await until(() => server.server.held.sessions === 1);
    assert.ok(server.server.held.bytes > before);
    socket.pause?.();
    say({ kind: 'read', parameter: 0 }, 1);
    await until(() => server.server.held.connections === 0);
    await until(() => server.server.held.sessions === 0);
    assert.is(server.server.held.bytes, before);
    socket.close();
  } finally {
    await server.close();
  }
});

test.run();
