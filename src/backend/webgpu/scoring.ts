// What rows are worth by themselves: norms, directions, expected attention.
import type { Backend } from '../backend.ts';
import { rowBytes } from '../dtype.ts';
import type { Address } from '../tensor.ts';
import { rowConstants } from './append.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import { preparedQueries } from './looks.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, type DeviceScores, deviceRows, headWords } from './rows.ts';
import { tilesOf } from './score-each.ts';
import type { Scratch } from './scratch.ts';

type ScoringOps = Pick<Backend, 'expectedAttention' | 'rowNorms' | 'keyCosines'>;

/** Keys of a workgroup (lib/tile.wgsl), and numbers along a side of one of covariance.wgsl. */
const TILE = 32;
const SIDE = 16;

/** Bytes of scratch: of each query head a mean and a covariance, and the queries rotated. */
export const expectedBytes = (tokens: number, queryHeads: number, headDim: number): number =>
  4 * queryHeads * headDim * (tokens + headDim + 1);

const keyBytes = ({ kvHeads, most, rowType, headDim }: DeviceRows): number =>
  kvHeads * most * rowBytes(rowType, headDim);

export function scoringOps(recorder: Recorder, scratch: Scratch): ScoringOps {
  const { kernels } = recorder;

  /** Norms of rows, or cosines of keys with the directions of their heads. */
  function norms(
    out: Address,
    rows: DeviceRows,
    { ofValues = false, directions = 0 } = {},
  ): DeviceScores {
    const { part, kvHeads } = rows;
    const tiles = tilesOf(rows);
    recorder.dispatch(
      kernels.get('row-norms', 'wrrr', rowConstants(rows)),
      [out, part.notes, part.keys, part.values],
      [
        ...headWords(rows),
        ...[tiles, word(out), ofValues ? 1 : 0, directions > 0 ? 1 : 0, word(directions)],
      ],
      kvHeads * tiles,
      keyBytes(rows),
    );
    return { address: out, rows, unscored: 0 };
  }

  return {
    rowNorms: (out, rows, of) => norms(out, deviceRows(rows), { ofValues: of === 'values' }),

    keyCosines(out, cached) {
      const rows = deviceRows(cached);
      const { part, kvHeads, headDim } = rows;
      const directions = scratch.at(4 * kvHeads * headDim);
      norms(out, rows);
      recorder.dispatch(
        kernels.get('key-directions', 'wrrr', rowConstants(rows)),
        [out, part.notes, part.keys, part.values],
        [...headWords(rows), word(out), word(directions)],
        kvHeads,
        keyBytes(rows),
      );
      return norms(out, rows, { directions });
    },

    expectedAttention: (out, spare, rows, queries, count) =>
      expectedAttention(recorder, scratch, out, spare, deviceRows(rows), queries, count),
  };
}

function expectedAttention(
  recorder: Recorder,
  scratch: Scratch,
  ...[out, spare, cached, queries, count]: Parameters<Backend['expectedAttention']>
): DeviceScores {
  const { kernels } = recorder;
  const rows = deviceRows(cached);
  const { part, kvHeads, headDim, most } = rows;
  const heads = queries.columns / headDim;
  const group = heads / kvHeads;
  const drawn = scratch.at(expectedBytes(count, heads, headDim));
  const rotated = drawn + 4 * heads * headDim * (headDim + 1);
  const from = preparedQueries(recorder, rows, queries, count, rotated);
  recorder.dispatch(
    kernels.get('covariance', 'w', { D: headDim }),
    [from],
    [word(drawn), word(from), queries.columns, count, heads],
    heads * Math.ceil(headDim / SIDE) ** 2,
  );
  const tiles = Math.ceil(most / TILE);
  for (let g = 0; g < group; g++) {
    recorder.dispatch(
      kernels.get('expect', 'wrrr', rowConstants(rows)),
      [spare, part.notes, part.keys, part.values],
      [...headWords(rows), tiles, word(spare), word(drawn), group, g],
      kvHeads * tiles,
      keyBytes(rows),
    );
    recorder.dispatch(
      kernels.get('softmax', 'ww'),
      [out, part.notes],
      [...headWords(rows), word(out), word(spare), floatWord(1 / group), g > 0 ? 1 : 0],
      kvHeads,
    );
  }
  return { address: out, rows, unscored: 0 };
}
