// Split trainings over real sockets, for tests: a server of this process or of another, and a way
// to it that breaks.
import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { listen } from '../../src/cli/split-listen.ts';
import { loadModel } from '../../src/engine/model.ts';
import { createRandom } from '../../src/math/rng.ts';
import { type Cut, loadHalf } from '../../src/split/load.ts';
import type { SplitTrainOptions } from '../../src/split/options.ts';
import { type ServerOptions, SplitServer } from '../../src/split/server.ts';
import { prepareSplit, type SplitResult } from '../../src/split/train.ts';
import { train } from '../../src/train/train.ts';
import type { Trained } from '../../src/train/trained.ts';
import { fixture } from '../fixtures.ts';

export const program = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
export const MODEL = fixture('llama-q8_0.gguf');
export const TOKEN = 'a token of tests';

export const lines = Array.from({ length: 20 }, (_, i) => ({
  text: `Line ${i}: Mia has ${i % 7} cats and Ravi has ${(3 * i) % 11} dogs.`,
}));

/** How tests train. */
export const how = { steps: 6, batch: 6, rank: 4, rate: 0.01, threads: 1 };
type How = Omit<SplitTrainOptions, 'url' | 'token'>;
const trainingOf = ({ threads: _, ...options }: typeof how) => options;

export async function trainedWhole(more: How = {}): Promise<Trained> {
  using model = await loadModel(MODEL, { threads: 1, pipeline: 1 });
  const { depth: _, ...options } = more;
  return await train(model, lines, { ...trainingOf(how), ...options });
}

export async function trainedSplit(
  url: string,
  cut: Cut,
  more: How & { readonly token?: string } = {},
  path = MODEL,
): Promise<SplitResult> {
  const model = await loadHalf(path, 'client', cut, { threads: 1 });
  try {
    const options = { ...trainingOf(how), url, token: TOKEN, ...more };
    return await prepareSplit(model, lines, options).run();
  } finally {
    model.dispose();
  }
}

export function assertSame(found: SplitResult, { result, adapter }: Trained, what: string): void {
  assert.equal(found.losses, result.losses, `${what}: losses`);
  assert.equal(found.heldOut, result.heldOut, `${what}: held out`);
  assert.is(found.adapter.pairs.length, adapter!.pairs.length, what);
  found.adapter.pairs.forEach((pair, i) => assert.equal(pair, adapter!.pairs[i], what));
}

/** What a training throws. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, Error, 'nothing was thrown');
  return error as Error;
}

/** A server in this process. */
export async function serve(cut: Cut, more: Partial<ServerOptions> = {}, path = MODEL) {
  const model = await loadHalf(path, 'server', cut, { threads: 1 });
  const server = new SplitServer(model, {
    token: TOKEN,
    clients: 4,
    tokens: 512,
    rank: 8,
    memory: 1 << 30,
    window: 4,
    stallMs: 60_000,
    leaseMs: 60_000,
    ...more,
  });
  const { port, close } = await listen(server, { host: '127.0.0.1', port: 0 });
  return {
    server,
    port,
    url: `ws://127.0.0.1:${port}`,
    async close() {
      server.dispose();
      await close();
      model.dispose();
    },
  };
}

/** A server in a process of its own; `more`: what else its command line says. */
export async function spawnServer({ cut, labels }: Cut, port = 0, more: readonly string[] = []) {
  const where = ['--cut', String(cut), '--labels', labels, '--port', String(port)];
  const words = ['split-serve', MODEL, ...where, ...more];
  const child: ChildProcess = spawn(
    process.execPath,
    [program, ...words, '--token', TOKEN, '--threads', '1'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (text: Buffer) => resolve(text.toString().trim()));
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return {
    url,
    async close(signal?: 'SIGKILL') {
      child.kill(signal);
      await ended;
    },
  };
}

/** Fewest bytes before a cut: those of a greeting, so that a training can begin. */
const LEAST_BYTES = 1000;

/**
 * A way to a port that breaks `cuts` times, each time after a random number of bytes up to `most`,
 * in the middle of whatever is sent.
 */
export async function breakingWay(port: number, cuts: number, most: number, seed: number) {
  const random = createRandom(seed);
  const open = new Set<Socket>();
  let done = 0;
  const way = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    let left = done < cuts ? LEAST_BYTES + random() * most : Number.POSITIVE_INFINITY;
    const pair = [client, server];
    const end = () => pair.forEach((socket) => void open.delete(socket.destroy()));
    for (const [i, socket] of pair.entries()) {
      open.add(socket.setNoDelay(true));
      socket.on('error', end).on('close', end);
      socket.on('data', (bytes) => {
        pair[1 - i].write(bytes.subarray(0, Math.max(0, Math.floor(left))));
        if (left > 0 && (left -= bytes.length) <= 0) {
          done++;
          // what was written leaves first, so that a message is cut in its middle
          setImmediate(end);
        }
      });
    }
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  return {
    url: `ws://127.0.0.1:${(way.address() as AddressInfo).port}`,
    get cuts() {
      return done;
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => way.close(resolve));
    },
  };
}
