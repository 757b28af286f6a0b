// A server of files that no disk holds, for tests of what browsers keep: it counts the bytes of
// bodies that it sent, and can be told to change, break, refuse or hide what it says.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checksum, EMPTY_CHECKSUM } from '../../src/cache/checksum.ts';

export const MIB = 1 << 20;

/** Words `from` MiB of a file of a seed: each MiB is another. */
function pieceOf(seed: number, mib: number): Int32Array<ArrayBuffer> {
  const words = new Int32Array(MIB / 4);
  for (let i = 0; i < words.length; i++)
    words[i] = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(mib + 1, seed);
  return words;
}

/** The checksum of a whole file. */
export function sumOf(seed: number, mibs: number): number {
  let sum = EMPTY_CHECKSUM;
  for (let mib = 0; mib < mibs; mib++) sum = checksum(sum, pieceOf(seed, mib));
  return sum;
}

export interface Kept {
  seed: number;
  mibs: number;
  /** Headers that tell the version. */
  headers: Record<string, string>;
  /** The connection breaks behind so many MiB of the file, once. */
  breakAt?: number;
  /** Methods that it answers with a status. */
  refuses: Record<string, number>;
}

export class FileServer {
  /** Methods, and where Range asks to begin. */
  readonly asked: string[] = [];
  /** Bytes of bodies. */
  sent = 0;
  /** Other files that it has, by their paths. */
  readonly others = new Map<string, Uint8Array>();
  file: Kept = { seed: 1, mibs: 3, headers: { etag: '"v1"' }, refuses: {} };
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}/model.gguf`;
  }

  /** Begins, at the port where it was before. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) =>
      this.#server.listen(this.#port, '127.0.0.1', () => resolve()),
    );
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What was asked and sent since the last call. */
  take(): { asked: string[]; sent: number } {
    const taken = { asked: this.asked.splice(0), sent: this.sent };
    this.sent = 0;
    return taken;
  }

  async #answer({ url = '', method = '', headers }: IncomingMessage, response: ServerResponse) {
    const other = this.others.get(url);
    const { seed, mibs, headers: version, refuses, breakAt } = this.file;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    this.asked.push(first === undefined ? method : `${method} ${first}`);
    const cors = {
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'etag, content-range',
    };
    if (refuses[method]) return response.writeHead(refuses[method], cors).end();
    const size = other?.length ?? mibs * MIB;
    const [from, end] = [Number(first ?? 0), last ? Number(last) + 1 : size];
    const part = { 'content-range': `bytes ${from}-${end - 1}/${size}` };
    response.writeHead(first === undefined ? 200 : 206, {
      ...cors,
      ...version,
      ...(first === undefined ? {} : part),
      'content-length': end - from,
      'cache-control': 'no-store',
    });
    if (method === 'HEAD') return response.end();
    for (let at = from; at < end && !response.destroyed;) {
      const mib = Math.floor(at / MIB);
      if (mib === breakAt) {
        this.file.breakAt = undefined;
        return setTimeout(() => response.destroy(), 50);
      }
      const bytes = other?.subarray(mib * MIB) ?? new Uint8Array(pieceOf(seed, mib).buffer);
      const piece = bytes.subarray(at - mib * MIB, Math.min(MIB, end - mib * MIB));
      at += piece.length;
      this.sent += piece.length;
      await new Promise((resolve) => response.write(piece, resolve));
    }
    return response.end();
  }
}
