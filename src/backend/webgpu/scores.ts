// Operations on scores, a number a row, which lie where their rows do (rows.ts): how many a head
// has is read off the part's notes by each kernel.
import { DeviceError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import type { Backend } from '../backend.ts';
import type { Address } from '../tensor.ts';
import type { Recorder } from './recorder.ts';
import {
  boundsOfList,
  type DeviceRows,
  type DeviceScores,
  type DeviceSelection,
  deviceRows,
  deviceScores,
  headAddress,
  HEAD_WORDS,
} from './rows.ts';
import { createEach } from './score-each.ts';
import type { Scratch } from './scratch.ts';

type Arithmetic = Pick<
  Backend,
  | 'averagePool'
  | 'negate'
  | 'multiply'
  | 'meanOverHeads'
  | 'addToState'
  | 'fold'
  | 'keepAsState'
  | 'protect'
  | 'join'
>;
type Telling = Pick<Backend, 'rateTokens' | 'selectListed' | 'readScores'>;

/** Bytes of a list or of a table that are on the device at a time (scratch). */
export const PIECE_BYTES = 1 << 16;
/** Bytes of the rates of all tokens so far at most. */
const MOST_RATE_BYTES = 16 << 20;

export const scoreOps = (recorder: Recorder, scratch: Scratch): Arithmetic & Telling => ({
  ...arithmetic(recorder),
  ...telling(recorder, scratch),
});

const scoresOf = (address: Address, rows: DeviceRows, unscored = 0): DeviceScores => ({
  address,
  rows,
  unscored,
});

function arithmetic(recorder: Recorder): Arithmetic {
  const { each, eachScore } = createEach(recorder);
  return {
    averagePool(out, scores, size) {
      const { rows, unscored } = deviceScores(scores);
      each('averagePool', rows, out, { other: scores.address, a: size, unscored });
      return scoresOf(out, rows, unscored);
    },
    negate: (scores) => eachScore('negate', scores),
    multiply: (scores, by) => eachScore('multiply', scores, { other: by.address }),
    meanOverHeads: (scores) => eachScore('meanOverHeads', scores),
    addToState: (scores, _, weight, tokens) =>
      eachScore('addToState', scores, { x: weight, a: tokens }),
    keepAsState: (_, scores) => eachScore('keepAsState', scores),
    fold(into, scores, by, name) {
      const { rows, unscored } = deviceScores(scores);
      each(name, rows, into, { other: scores.address, x: by, unscored });
      return scoresOf(into, rows, unscored);
    },
    protect(to, cached, scores, { sinks, recent }) {
      const rows = deviceRows(cached);
      const address = typeof to === 'number' ? to : to.address;
      const unscored = unscoredOf(deviceScores(scores), rows);
      each('protect', rows, address, { other: scores.address, a: sinks, b: recent, unscored });
      return scoresOf(address, rows);
    },
    join: (first, second) => join(deviceScores(first), deviceScores(second)),
  };
}

/** What the device is told, and what it tells. */
function telling(recorder: Recorder, scratch: Scratch): Telling {
  const { each } = createEach(recorder);
  return {
    rateTokens(out, cached, rate) {
      const rows = deviceRows(cached);
      const { tokens, kvHeads } = rows;
      if (typeof rate !== 'function') {
        each('plus', rows, out, { x: rate.plus });
        return scoresOf(out, rows);
      }
      checkTable(rows);
      const piece = Math.floor(PIECE_BYTES / 4 / kvHeads);
      const other = scratch.at(PIECE_BYTES);
      for (let first = 0; first < tokens; first += piece) {
        const count = Math.min(piece, tokens - first);
        const rates = Float32Array.from({ length: kvHeads * count }, (_, i) =>
          rate(first + (i % count), Math.floor(i / count)),
        );
        recorder.write(other, rates);
        each('table', rows, out, { other, a: first, b: count });
      }
      return scoresOf(out, rows);
    },

    selectListed(kept, cached, list): DeviceSelection {
      const rows = deviceRows(cached);
      const piece = PIECE_BYTES / 4;
      for (let first = 0; first === 0 || first < list.length; first += piece) {
        const part = Int32Array.from(list.slice(first, first + piece));
        const other = scratch.at(PIECE_BYTES);
        recorder.write(other, part);
        each('list', rows, kept, { other, a: first, b: part.length });
      }
      return { address: kept, rows, bounds: boundsOfList(rows, list.length) };
    },

    async readScores(scores) {
      const { address, rows, unscored } = deviceScores(scores);
      const [heads, all] = await Promise.all([
        readHeads(recorder, rows),
        recorder.read(address, rows.capacity * 4),
      ]);
      const leftOut = Math.min(unscored, ...heads.map(({ length }) => length));
      return heads.map(({ at, length }) => new Float32Array(all).slice(at, at + length - leftOut));
    },
  };
}

/**
 * Rows at the end of each head that scores say nothing of. Those that were not shown then may be
 * gone since, as a patched prompt's are: their tokens were the newest.
 */
function unscoredOf({ rows: then, unscored }: DeviceScores, now: DeviceRows): number {
  return unscored + Math.max(0, then.unseen - (then.tokens - now.tokens) - now.unseen);
}

/** Throws DeviceError where the rates of all tokens so far are too many to be told. */
function checkTable({ tokens, kvHeads }: DeviceRows): void {
  const bytes = tokens * kvHeads * 4;
  if (bytes > MOST_RATE_BYTES)
    throw new DeviceError(
      `rates of ${tokens} tokens and ${kvHeads} heads take ${formatBytes(bytes)}, a device is ` +
        `told ${formatBytes(MOST_RATE_BYTES)} at most: rate by { plus } (a token's number and a ` +
        `constant) or by another operation, or choose device: 'wasm'`,
    );
}

/** Scores of consecutive heads that lie in one range, and count from one address. */
function join(first: DeviceScores, second: DeviceScores): DeviceScores {
  const [a, b] = [first.rows, second.rows];
  const isNext = a.part === b.part && a.firstHead + a.kvHeads === b.firstHead;
  if (!isNext || first.address !== second.address || a.firstRow !== b.firstRow)
    throw new RangeError('scores of heads that do not follow one another in a range are joined');
  const rows = {
    ...a,
    kvHeads: a.kvHeads + b.kvHeads,
    most: Math.max(a.most, b.most),
    fewest: a.fewest + b.fewest,
    total: a.total + b.total,
  };
  return { ...first, rows };
}

/** Where the numbers of each head lie among those of its range, how many are shown, and chosen. */
export async function readHeads(
  recorder: Recorder,
  { part, firstHead, kvHeads, firstRow, unseen }: DeviceRows,
): Promise<{ at: number; length: number; kept: number }[]> {
  const bytes = kvHeads * HEAD_WORDS * 4;
  const words = new Uint32Array(await recorder.read(headAddress(part, firstHead), bytes));
  return Array.from({ length: kvHeads }, (_, h) => {
    const [start, length, kept] = words.subarray(h * HEAD_WORDS);
    return { at: start - firstRow, length: length - Math.min(unseen, length), kept };
  });
}
