// A split server's sockets on Node.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OptionError, UnsupportedError } from '../errors.ts';
import { MOST_PIECE_BYTES } from '../split/pieces.ts';
import type { Events, SplitServer } from '../split/server.ts';

export interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

/** Seconds without a sign of life after which a connection is taken for dead. */
const IDLE_SECONDS = 120;
/** Time for who was refused to read why. */
const CLOSE_MS = 1000;

async function nodeAdapter() {
  try {
    return (await import('crossws/adapters/node')).default;
  } catch (cause) {
    throw new UnsupportedError(
      `the optional package 'crossws' is not installed: run 'npm install crossws'`,
      { cause },
    );
  }
}

/** Lets clients in at an address. Throws OptionError where it cannot be listened at. */
export async function listen(
  server: SplitServer,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Listening> {
  const adapter = await nodeAdapter();
  const events = new Map<string, Events>();
  const serverOptions = { maxPayload: MOST_PIECE_BYTES, closeTimeout: CLOSE_MS };
  const sockets = adapter({
    idleTimeout: IDLE_SECONDS,
    serverOptions,
    hooks: {
      open(peer) {
        const connection = {
          send: (piece: Uint8Array) => void peer.send(piece, { compress: false }),
          get waitingBytes() {
            return peer.bufferedAmount;
          },
          close: (now?: boolean) => (now ? peer.terminate() : peer.close()),
        };
        events.set(peer.id, server.connect(connection));
      },
      message: (peer, message) => events.get(peer.id)?.heard(message.rawData),
      close(peer) {
        events.get(peer.id)?.closed();
        events.delete(peer.id);
      },
      // a close follows
      error: (peer) => peer.terminate(),
    },
  });
  const http = createServer((_, response) => {
    response.writeHead(426, { 'content-type': 'text/plain' });
    response.end('recollect split-serve: connect with recollect split-train\n');
  });
  // those who were refused stay for a moment: clients, and strangers, each twice
  http.maxConnections = 4 * server.mostClients + 16;
  http.on('upgrade', (request, socket, head) => void sockets.handleUpgrade(request, socket, head));
  await new Promise<void>((resolve, reject) => {
    http.once('error', (cause) =>
      reject(
        new OptionError(
          `${host}:${port} cannot be listened at (${cause.message}): choose another port`,
          { cause },
        ),
      ),
    );
    http.listen(port, host, resolve);
  });
  return {
    port: (http.address() as AddressInfo).port,
    async close() {
      await sockets.close();
      sockets.closeAll(1001, 'the server ends', true);
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
