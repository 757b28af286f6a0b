// A way to a split server, for tests, that does to pieces what lines, proxies and memory can do to
// them: on real sockets, a WebSocket on either side.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import nodeAdapter from 'crossws/adapters/node';
import WebSocket from 'crossws/websocket';
import { createRandom } from '../../src/math/rng.ts';

export const faults = ['drop', 'repeat', 'swap', 'shorten', 'corrupt', 'delay', 'cut'] as const;
type Fault = (typeof faults)[number];

/** Messages between two faults, at most. */
const MOST_BETWEEN = 12;
const DELAY_MS = 30;

/** A piece with a fault: what is sent in its place. */
function damaged(fault: Fault, piece: Uint8Array, random: () => number): Uint8Array[] {
  const at = Math.floor(random() * piece.length);
  if (fault === 'drop') return [];
  if (fault === 'repeat') return [piece, piece];
  if (fault === 'shorten') return [piece.slice(0, at)];
  const changed = piece.slice();
  if (fault === 'corrupt') changed[at] ^= 1 << Math.floor(random() * 8);
  return [changed];
}

/** One direction of a connection. Pieces leave in order, but for those that are swapped. */
class Direction {
  readonly #send: (piece: Uint8Array) => void;
  #turn = Promise.resolve();
  #held?: Uint8Array;

  constructor(send: (piece: Uint8Array) => void) {
    this.#send = send;
  }

  pass(pieces: readonly Uint8Array[], delayMs: number): void {
    this.#turn = this.#turn.then(async () => {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      for (const piece of pieces) this.#send(piece);
      if (pieces.length > 0 && this.#held) this.#send(this.#held);
      if (pieces.length > 0) this.#held = undefined;
    });
  }

  /** The piece leaves behind the next one. */
  swap(piece: Uint8Array): void {
    this.#turn = this.#turn.then(() => void (this.#held = piece));
  }
}

/** A way to a port on which `count` faults happen, of each kind in turn; `only`: one kind. */
export async function faultyWay(port: number, count: number, seed: number, only?: Fault) {
  const random = createRandom(seed);
  const done = new Map<Fault, number>();
  let happened = 0;
  let next = 1;
  const faultNow = (): Fault | undefined => {
    if (happened >= count || --next > 0) return undefined;
    next = 1 + Math.floor(random() * MOST_BETWEEN);
    const fault = only ?? faults[happened % faults.length];
    happened++;
    done.set(fault, (done.get(fault) ?? 0) + 1);
    return fault;
  };
  const take = (direction: Direction, piece: Uint8Array, cut: () => void, isFirst: boolean) => {
    // a greeting that is lost ends by the server's patience, which takes its time
    const fault = isFirst ? undefined : faultNow();
    if (fault === 'cut') cut();
    else if (fault === 'swap') direction.swap(piece);
    else
      direction.pass(
        fault ? damaged(fault, piece, random) : [piece],
        fault === 'delay' ? DELAY_MS : 0,
      );
  };
  const ways = new Map<string, { heard(piece: Uint8Array): void; closed(): void }>();
  const sockets = nodeAdapter({
    hooks: {
      open(peer) {
        const server = new WebSocket(`ws://127.0.0.1:${port}`);
        server.binaryType = 'arraybuffer';
        const cut = () => {
          server.close();
          peer.terminate();
        };
        const opened = new Promise<void>((resolve) => (server.onopen = () => resolve()));
        const there = new Direction((piece) => {
          if (server.readyState === 1) server.send(piece as Uint8Array<ArrayBuffer>);
        });
        const back = new Direction((piece) => void peer.send(piece, { compress: false }));
        let isFirst = true;
        server.onmessage = ({ data }) =>
          take(back, new Uint8Array(data as ArrayBuffer), cut, false);
        server.onclose = server.onerror = () => peer.terminate();
        ways.set(peer.id, {
          heard(piece) {
            const first = isFirst;
            isFirst = false;
            void opened.then(() => take(there, piece, cut, first));
          },
          closed: () => server.close(),
        });
      },
      message: (peer, message) =>
        ways.get(peer.id)?.heard(new Uint8Array(message.rawData as Uint8Array)),
      close: (peer) => ways.get(peer.id)?.closed(),
      error: (peer) => peer.terminate(),
    },
  });
  const http = createServer();
  http.on('upgrade', (request, socket, head) => void sockets.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}`,
    /** How many of each kind there were. */
    done: done as ReadonlyMap<Fault, number>,
    get count() {
      return happened;
    },
    async close() {
      sockets.closeAll(1001, '', true);
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
