// Handles of cached rows, scores and selections on the device. How long heads are, only the device
// knows; what is known here is how long they can be.
import type { Selection, Share } from '../backend.ts';
import type { LayerRows } from '../cache.ts';
import type { Address, Scores } from '../tensor.ts';

/**
 * Rows of whole ranges (cache-shape.ts) that are bound together: one buffer of keys [rows, words],
 * one of values [rows, words], and notes, u32:
 *
 *   tokens i32 [rows] | state f32 [rows] | heads [heads][start, length, kept, sinks]
 *   | positions i32 [rows], where rows are of few bits
 *
 * `start` is a head's first row in the part; `kept` and `sinks` are what select() leaves for
 * compact(): how many rows of the head stay, and how many first tokens are among them.
 */
export interface CachePart {
  readonly keys: Address;
  readonly values: Address;
  readonly notes: Address;
  readonly rows: number;
  readonly heads: number;
}

/** Words of a head among a part's notes (lib/heads.wgsl). */
export const HEAD_WORDS = 4;

/** How many rows of some heads there are, as far as it follows from what was asked for. */
export interface RowBounds {
  /** Rows that one of these heads has at most, `unseen` ones included. */
  readonly most: number;
  /** Rows that all of these heads have together, at least and at most. */
  readonly fewest: number;
  readonly total: number;
}

/** The rows of some heads of a part, one behind the other among its heads. */
export interface DeviceRows extends LayerRows, RowBounds {
  readonly part: CachePart;
  readonly firstHead: number;
  /** First row of their range in the part: what is kept a row elsewhere counts from it. */
  readonly firstRow: number;
  /** Rows of their range: as many numbers has what is kept a row. */
  readonly capacity: number;
  /** Rows at the end of each head that are not shown. */
  readonly unseen: number;
  /** Every row's token has a lower number. */
  readonly tokens: number;
}

/**
 * Scores of rows: that of row r of the part at address + 4 (r - firstRow), so that heads need not
 * lie without gaps. Rows at the end of each head have none: `unscored` of them, as far as every
 * head has so many.
 */
export interface DeviceScores extends Scores {
  readonly rows: DeviceRows;
  readonly unscored: number;
}

/** Kept rows: index i of a head that starts at row s at address + 4 (s - firstRow + i). */
export interface DeviceSelection extends Selection {
  readonly rows: DeviceRows;
  /** Of those that stay. */
  readonly bounds: RowBounds;
}

/** Where what is noted of head h of a part lies. */
export const headAddress = ({ notes, rows }: CachePart, h: number): Address =>
  notes + 4 * (2 * rows + HEAD_WORDS * h);

/** What shaders are told of heads first of all (lib/heads.wgsl, lib/scores.wgsl). */
export const headWords = (
  { part, firstHead, kvHeads, firstRow, unseen }: DeviceRows,
  unscored = 0,
): number[] => [part.rows, firstHead, kvHeads, firstRow, unseen, unscored];

/** What select() leaves of rows. */
export function boundsOfShare(
  { kvHeads, most, fewest, total }: DeviceRows,
  { rows, sinks, heads }: Share,
): RowBounds {
  // sinks that a head has lost are not kept, and here nobody knows
  const together = Math.min(total, kvHeads * (rows + sinks));
  if (heads === 'adaptive')
    return {
      most: Math.min(most, together),
      fewest: Math.min(fewest, kvHeads * rows),
      total: together,
    };
  // fewest where as many heads as can be have all rows
  const full = most === 0 ? 0 : Math.floor(fewest / most);
  return {
    most: Math.min(most, rows + sinks),
    fewest: full * Math.min(most, rows),
    total: together,
  };
}

/** What selectListed() leaves of rows. */
export const boundsOfList = ({ kvHeads }: DeviceRows, count: number): RowBounds => ({
  most: count,
  fewest: kvHeads * count,
  total: kvHeads * count,
});

export const deviceRows = (rows: LayerRows): DeviceRows => rows as DeviceRows;
export const deviceScores = (scores: Scores): DeviceScores => scores as DeviceScores;
export const deviceSelection = (selection: Selection): DeviceSelection =>
  selection as DeviceSelection;
