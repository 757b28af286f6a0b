// Causal attention of a block, or of one token, over rows where they lie.
import type { Attending, Backend, ScratchShape } from '../backend.ts';
import { rowBytes } from '../dtype.ts';
import { rowConstants } from './append.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import { NONE } from './parts.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, deviceRows } from './rows.ts';
import type { Scratch } from './scratch.ts';

/** Queries of a workgroup at most (the shaders' registers), and numbers of these (its memory). */
const ONE = { queries: 8, numbers: 2048 };
const BLOCK = { queries: 16, numbers: 2048 };

/** Rows of a head that one workgroup goes through alone, for one token. */
const ALONE_ROWS = 512;
/** Rows of a share of more, and shares at most. */
const SHARE_ROWS = 256;
const MOST_SHARES = 32;

const queriesOf = ({ queries, numbers }: typeof ONE, d: number, most: number): number =>
  Math.min(queries, Math.floor(numbers / d), most);

/** What shares of rows leave of `queryHeads` queries for each other. */
const partialBytes = (shares: number, queryHeads: number, d: number): number =>
  4 * shares * queryHeads * (d + 2);

/** Bytes that attention of one token works in. */
export const attentionScratchBytes = ({ queryHeads, headDim }: ScratchShape): number =>
  partialBytes(MOST_SHARES, queryHeads, headDim);

/** How many workgroups share the rows of a head. */
function sharesOf(rows: number, queryHeads: number, d: number, scratchBytes: number): number {
  if (rows <= ALONE_ROWS) return 1;
  const fit = Math.floor(scratchBytes / partialBytes(1, queryHeads, d));
  return Math.max(1, Math.min(MOST_SHARES, fit, Math.ceil(rows / SHARE_ROWS)));
}

/** What shaders are told of heads first of all. */
const headsAt = ({ part, firstHead, kvHeads, unseen }: DeviceRows): number[] => [
  part.rows,
  firstHead,
  kvHeads,
  unseen,
];

/** What shaders are told of caps and sinks last of all (lib/cap.wgsl, lib/sinks.wgsl). */
export const attendingWords = ({ cap = 0, sinks }: Attending): [cap: number, sinks: number] => [
  floatWord(cap),
  sinks ? word(sinks.address) : NONE,
];

export function attentionOps(recorder: Recorder, scratch: Scratch): Pick<Backend, 'attention'> {
  const { kernels } = recorder;

  return {
    attention(out, q, cached, T, { looks, window = 0, ...attending } = {}) {
      if (T === 0) return;
      const rows = deviceRows(cached);
      const { part, kvHeads, headDim: d, rowType } = rows;
      const queryHeads = q.columns / d;
      const group = queryHeads / kvHeads;
      const places = [word(q.address), word(out.address), group];
      const scale = floatWord(1 / Math.sqrt(d));
      const sinks = attending.sinks?.address ?? part.notes; // or whatever may be bound
      const words = attendingWords(attending);
      const at = [out.address, part.keys, part.values, part.notes, sinks];
      const seen = window > 0 ? Math.min(rows.most, window + T - 1) : rows.most;
      const bytes = kvHeads * seen * (rowBytes(rowType, d) + rowBytes(rowType, d, 'values'));
      if (T > 1 || looks) {
        const QUERIES = queriesOf(BLOCK, d, BLOCK.queries);
        const tiles = Math.ceil((T * group) / QUERIES);
        const left = looks ? [1, word(looks.address), looks.unseen] : [0, 0, 0];
        recorder.dispatch(
          kernels.get('attend-tile', 'wrrrr', { ...rowConstants(rows), QUERIES }),
          at,
          [...headsAt(rows), ...places, T, tiles, window, scale, ...left, ...words],
          kvHeads * tiles,
          bytes,
        );
        return;
      }
      const QUERIES = queriesOf(ONE, d, group);
      const chunks = Math.ceil(group / QUERIES);
      const shares = sharesOf(seen, queryHeads, d, scratch.bytes);
      const partial = shares > 1 ? scratch.at(partialBytes(shares, queryHeads, d)) : 0;
      recorder.dispatch(
        kernels.get('attend-one', 'wrrrr', { ...rowConstants(rows), QUERIES }),
        at,
        [...headsAt(rows), ...places, chunks, shares, word(partial), window, scale, ...words],
        kvHeads * chunks * shares,
        bytes,
      );
      if (shares > 1)
        recorder.dispatch(
          kernels.get('attend-join', 'wr', rowConstants(rows)),
          [out.address, sinks],
          [word(out.address), word(partial), queryHeads, shares, words[1]],
          queryHeads,
        );
    },
  };
}
