// Weights on the device: the file's bytes and no more, but each block split into regions, so that
// every read is aligned and neighbouring lanes read neighbouring words (lib/weights.wgsl):
//
//   file    row 0: [d|w0 .. w7][d|w0 .. w7] ..   row 1: ..   (Q8_0: d an f16, w a word of four i8)
//   device  heads: d d .. (row 0) d d .. (row 1) .. | words: w0 .. w7 w0 .. w7 .. | tails: none
//
// Where there are no tails, and codes are numbers of a grid's entries, the grid is there
// (grids.ts).
// A weight that is larger than a buffer can be is several of them, by rows, each with regions of
// its own; buffers behind the first have the numbers behind its own (heap.ts).
import type { Backend } from '../backend.ts';
import type { WeightType } from '../dtype.ts';
import type { Address, Weight } from '../tensor.ts';
import { DeviceError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import { gridTable } from './grids.ts';
import { type Heap, pieceAddress, wordOffset } from './heap.ts';
import type { Recorder } from './recorder.ts';
import { kindsOf } from './weight-types.ts';

/** Rows are stored a multiple of this at a time (packRows()): so many end with a whole word. */
const ROWS_AT_ONCE = 4;

/** Constants of a kernel that reads one weight. */
export const weightConstants = ({ number }: WeightType) => ({
  WEIGHT: number,
  KINDS: kindsOf([{ number }]),
});

/** Where a region begins in a block of the file and how long it is there, in fields. */
interface Region {
  readonly from: number;
  readonly count: number;
  /** Fields of a row of the weight. */
  readonly rowFields: number;
  readonly perWord: number;
}

/** Bytes of a field: of blocks that begin with bytes 1, else 2. */
const fieldBytes = ({ lead }: WeightType) => (lead > 0 ? 1 : 2);

/** The rows of a weight that one buffer has. */
export interface WeightPiece {
  readonly address: Address;
  readonly first: number;
  readonly rows: number;
  /** Where heads, words and tails begin in the buffer, in words. */
  readonly regions: readonly number[];
}

function regionsOf(type: WeightType, columns: number): Region[] {
  const { elements, lead, head, words, tail } = type;
  const blocks = columns / elements;
  const perWord = 4 / fieldBytes(type);
  const region = (from: number, count: number) => ({
    from,
    count,
    rowFields: blocks * count,
    perWord,
  });
  if (lead > 0) return [region(0, lead), region(lead, 4 * words), region(lead + 4 * words, 0)];
  const heads = region(0, head);
  return [
    // plain numbers are read four at a time: rows of halves begin with a word
    elements === 1 ? { ...heads, rowFields: Math.ceil(heads.rowFields / 2) * 2 } : heads,
    region(head, 2 * words),
    region(head + 2 * words, tail),
  ];
}

const regionWords = ({ rowFields, perWord }: Region, rows: number): number =>
  Math.ceil((rows * rowFields) / perWord);

const rowsBytes = (regions: readonly Region[], rows: number): number =>
  regions.reduce((sum, region) => sum + 4 * regionWords(region, rows), 0);

const gridBytes = ({ name }: WeightType): number => gridTable(name)?.byteLength ?? 0;

function pieceBytesOf(type: WeightType, columns: number, rows: number): number {
  return rows === 0 ? 0 : rowsBytes(regionsOf(type, columns), rows) + gridBytes(type);
}

/** Rows that a buffer has at most. */
function rowsOfPiece(type: WeightType, rows: number, columns: number, mostBytes: number): number {
  if (pieceBytesOf(type, columns, rows) <= mostBytes) return Math.max(1, rows);
  const fewBytes = rowsBytes(regionsOf(type, columns), ROWS_AT_ONCE);
  const most = Math.floor((mostBytes - gridBytes(type)) / fewBytes) * ROWS_AT_ONCE;
  if (most > 0) return most;
  throw new DeviceError(
    `${ROWS_AT_ONCE} rows of ${columns} columns (${type.name}) are ` +
      `${formatBytes(fewBytes + gridBytes(type))}, the device binds ` +
      `${formatBytes(mostBytes)}: choose another model, or device: 'wasm'`,
  );
}

export interface WeightStore extends Pick<Backend, 'weightBytes' | 'packRows'> {
  piecesOf(weight: Weight): readonly WeightPiece[];
}

export function weightStore(recorder: Recorder, { pieceBytes }: Heap): WeightStore {
  const known = new WeakMap<Weight, readonly WeightPiece[]>();

  function makePieces({ address, type, rows, columns }: Weight): WeightPiece[] {
    const most = rowsOfPiece(type, rows, columns, pieceBytes);
    const regions = regionsOf(type, columns);
    return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
      const at = pieceAddress(address, i);
      const first = i * most;
      const count = Math.min(most, rows - first);
      let word = wordOffset(at);
      const begins = regions.map((region) => {
        const begin = word;
        word += regionWords(region, count);
        return begin;
      });
      return { address: at, first, rows: count, regions: begins };
    });
  }

  function piecesOf(weight: Weight): readonly WeightPiece[] {
    const found = known.get(weight) ?? makePieces(weight);
    known.set(weight, found);
    return found;
  }

  return {
    piecesOf,

    weightBytes(type, rows, columns) {
      const most = rowsOfPiece(type, rows, columns, pieceBytes);
      const whole = Math.max(0, Math.ceil(rows / most) - 1);
      return whole * pieceBytes + pieceBytesOf(type, columns, rows - whole * most);
    },

    packRows(weight, row, count, file) {
      const { type, columns } = weight;
      const regions = regionsOf(type, columns);
      const grid = gridTable(type.name);
      const fields = fieldBytes(type) === 1 ? file : fieldsOf(file);
      const fileFields = (fields.length / count) | 0;
      for (const piece of piecesOf(weight)) {
        const from = Math.max(row, piece.first);
        const end = Math.min(row + count, piece.first + piece.rows);
        if (from >= end) continue;
        const grids = piece.address + 4 * (piece.regions[2] - wordOffset(piece.address));
        if (grid && from === piece.first) recorder.write(grids, grid);
        const rows = fields.subarray((from - row) * fileFields, (end - row) * fileFields);
        regions.forEach((region, i) => {
          const begin = piece.regions[i] - wordOffset(piece.address);
          const words = begin + regionWords(region, from - piece.first);
          const blocks = columns / type.elements;
          recorder.write(piece.address + 4 * words, gather(rows, end - from, blocks, region));
        });
      }
    },
  };
}

/** A file's bytes as 16-bit fields. */
function fieldsOf(file: Uint8Array): Uint16Array {
  const { buffer, byteOffset, length } = byteOffsetIsEven(file) ? file : file.slice();
  return new Uint16Array(buffer, byteOffset, length / 2);
}

const byteOffsetIsEven = ({ byteOffset }: Uint8Array) => byteOffset % 2 === 0;

/** A region's fields of `count` rows, in whole words. */
function gather(
  rows: Uint8Array | Uint16Array,
  count: number,
  blocks: number,
  { from, count: take, rowFields, perWord }: Region,
): Uint8Array | Uint16Array {
  const step = rows.length / (count * blocks);
  if (take === step && rowFields === blocks * take && rows.length % perWord === 0) return rows;
  const length = Math.ceil((count * rowFields) / perWord) * perWord;
  const words = perWord === 4 ? new Uint8Array(length) : new Uint16Array(length);
  for (let r = 0; r < count; r++) {
    let to = r * rowFields;
    let at = r * blocks * step + from;
    for (let b = 0; b < blocks; b++, at += step)
      for (let i = 0; i < take; i++) words[to++] = rows[at + i];
  }
  return words;
}
