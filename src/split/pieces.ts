// Messages on their way over a socket, in pieces of a bounded size:
//
//   u32 number | u32 acknowledged | u32 bytes of the message | u32 bytes before the piece
//   | u32 checksum of its place on the connection, the other four and what follows
//   | bytes, whole words
//
// Questions and their answers are numbered from 1 on; 0: a greeting, or, without bytes, a sign of
// life. `acknowledged`: the last number that arrived at who sends. The place (0, 1, ...) is not
// sent, both sides count: a piece that is lost, repeated or out of order shows with the next one.
import { checksumOfBytes, EMPTY_CHECKSUM } from '../cache/checksum.ts';
import { ProtocolError } from '../errors.ts';
import { mostFrameBytes } from './codec/frame.ts';

export const FRONT_BYTES = 20;
/** Runtimes take messages of 16 MiB and more; small ones leave turns to others on a slow line. */
const BODY_BYTES = 1 << 18;
export const MOST_PIECE_BYTES = FRONT_BYTES + BODY_BYTES;

export type Bytes = Uint8Array<ArrayBuffer>;

/** The pieces of a message; a Sealer makes them ready to be sent. */
export function piecesOf(bytes: Bytes, number: number, acknowledged: number): Bytes[] {
  const count = Math.max(1, Math.ceil(bytes.length / BODY_BYTES));
  return Array.from({ length: count }, (_, i) => {
    const from = i * BODY_BYTES;
    const body = bytes.subarray(from, from + BODY_BYTES);
    const piece = new Uint8Array(FRONT_BYTES + body.length);
    const front = Uint32Array.of(number, acknowledged, bytes.length, from);
    new Uint32Array(piece.buffer, 0, 4).set(front);
    piece.set(body, FRONT_BYTES);
    return piece;
  });
}

/** Bytes that a message takes on the wire, in its pieces. */
export const bytesInPieces = (bytes: number): number =>
  bytes + FRONT_BYTES * Math.max(1, Math.ceil(bytes / BODY_BYTES));

const NOTHING = new Uint8Array(0);

/** A piece that says that who sends it is there, and what arrived. */
export const signOfLife = (acknowledged: number): Bytes => piecesOf(NOTHING, 0, acknowledged)[0];

const sumOf = (place: number, piece: Bytes): number =>
  checksumOfBytes(
    checksumOfBytes(EMPTY_CHECKSUM ^ place, piece.subarray(0, 16)),
    piece.subarray(FRONT_BYTES),
  );

/** Gives the pieces of one connection their checksums, in the order in which they are sent. */
export class Sealer {
  #place = 0;

  seal(piece: Bytes): Bytes {
    new Int32Array(piece.buffer, 16, 1)[0] = sumOf(this.#place++, piece);
    return piece;
  }
}

/** What a piece completes. */
export interface Arrived {
  readonly acknowledged: number;
  readonly number: number;
  /** The whole message, where this was its last piece; there is none of a sign of life. */
  readonly bytes?: Bytes;
}

/** Makes messages of the pieces of one connection. */
export class Assembler {
  /** Most bytes of a message of a number. */
  readonly #mostBytes: (number: number) => number;
  #place = 0;
  #number = 0;
  #whole?: Bytes;
  #filled = 0;

  constructor(mostBytes: (number: number) => number) {
    this.#mostBytes = mostBytes;
  }

  /**
   * Takes a piece. Throws ProtocolError for what is none, one of a message that is too large, and
   * one that does not follow the one before; no memory is taken for it then.
   */
  add(data: Uint8Array): Arrived {
    if (data.length < FRONT_BYTES || data.length > MOST_PIECE_BYTES || data.length % 4 > 0)
      throw wrong(`${data.length} bytes`);
    const piece = new Uint8Array(data); // runtimes hand over views that begin anywhere
    const [number, acknowledged, total, from] = new Uint32Array(piece.buffer, 0, 4);
    const [sum] = new Int32Array(piece.buffer, 16, 1);
    if (sum !== sumOf(this.#place, piece))
      throw wrong('bytes with another checksum, or out of order');
    this.#place++;
    const body = piece.subarray(FRONT_BYTES);
    const most = this.#mostBytes(number);
    if (total > most) throw wrong(`a message of ${total} bytes, at most ${most} are taken`);
    if (number === 0 && total === 0 && body.length === 0) return { number, acknowledged };
    if (from === 0 && !this.#whole) {
      this.#number = number;
      this.#whole = new Uint8Array(total);
      this.#filled = 0;
    }
    const whole = this.#whole;
    if (number !== this.#number || from !== this.#filled || total !== whole?.length)
      throw wrong(`bytes ${from} of message ${number}, expected ${this.#filled}`);
    if (body.length === 0 || from + body.length > total)
      throw wrong(`${body.length} bytes behind ${from} of ${total}`);
    whole.set(body, from);
    this.#filled += body.length;
    if (this.#filled < total) return { number, acknowledged };
    this.#whole = undefined;
    return { number, acknowledged, bytes: whole };
  }
}

const wrong = (what: string) =>
  new ProtocolError(
    `the other side sent ${what}, which is no piece of a message of split training: look whether ` +
      `it is recollect, of the same version`,
  );

/** Bytes of the largest message about a batch: its frame, targets, ids and counts of lines. */
export const batchBytes = (tokens: number, width: number): number =>
  MOST_GREETING_BYTES + mostFrameBytes(tokens, width) + tokens * 12;
/** Bytes of the largest message without arrays. */
export const MOST_GREETING_BYTES = 4 + (1 << 14);
