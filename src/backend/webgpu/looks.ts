// What observers look at: their attention, aggregated over them. What each query's looks sum up to
// is found first, where attention has not left it, then every tile of keys is looked at once.
import type { Backend, Observation } from '../backend.ts';
import { isQuantized, rowBytes } from '../dtype.ts';
import type { Address, Tensor } from '../tensor.ts';
import { rowConstants } from './append.ts';
import { attendingWords } from './attention.ts';
import { wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';
import { type DeviceRows, type DeviceScores, deviceRows, headWords } from './rows.ts';
import type { Scratch } from './scratch.ts';

type LookOps = Pick<Backend, 'observe' | 'observeWorst'>;

/** Rows, and queries, of a workgroup (lib/tile.wgsl). */
const TILE = 32;
/** Workgroups that keep a device busy; and into how many parts a head's rows are cut for that. */
const WANTED_GROUPS = 512;
const MOST_SPLITS = 16;
/** Numbers of a query and a part: what look-sums.wgsl leaves. */
const FIELDS = 4;

/** Bytes of scratch that so many queries of all heads take. */
export function lookBytes(queries: number, headDim: number): number {
  const sums = FIELDS * 4 * (queries + WANTED_GROUPS * TILE);
  return 4 * queries * headDim + sums;
}

/** How queries lie: as they are, or rotated as rows are. */
export function preparedQueries(
  recorder: Recorder,
  rows: DeviceRows,
  queries: Tensor,
  count: number,
  to: Address,
): Address {
  if (!isQuantized(rows.rowType)) return queries.address;
  const { headDim } = rows;
  const vectors = (count * queries.columns) / headDim;
  recorder.dispatch(
    recorder.kernels.get('rotate-vectors', 'w', rowConstants(rows)),
    [queries.address],
    [word(to), word(queries.address), vectors],
    vectors,
  );
  return to;
}

export function lookOps(recorder: Recorder, scratch: Scratch): LookOps {
  function observe(
    out: Address,
    rows: DeviceRows,
    o: Omit<Observation, 'aggregate'>,
    largest: boolean,
    size: number,
  ): DeviceScores {
    const { queries, count, causal, looks, unscored = 0, attending = {} } = o;
    const [cap, sinks] = attendingWords(attending);
    const { part, kvHeads, headDim } = rows;
    const group = queries.columns / headDim / kvHeads;
    const total = count * group;
    const keyBytes = kvHeads * rows.most * rowBytes(rows.rowType, headDim);
    const at = scratch.at(lookBytes(total * kvHeads, headDim));
    const looking = preparedQueries(recorder, rows, queries, count, at);
    const head = [
      ...headWords(rows, unscored),
      ...[word(looking), queries.columns, count, group, causal ? 1 : 0, size],
    ];
    const buffers = [out, part.notes, part.keys, part.values];
    const isKnown = looks !== undefined && size === 1;
    const tiles = Math.ceil(total / TILE);
    const splits = isKnown ? 1 : splitsOf(rows, tiles);
    const sums = isKnown ? looks.address : at + 4 * total * kvHeads * headDim;
    if (!isKnown)
      recorder.dispatch(
        recorder.kernels.get('look-sums', 'wrrr', rowConstants(rows)),
        buffers,
        [...head, word(sums), splits, cap],
        kvHeads * splits * tiles,
        keyBytes,
      );
    const rowTiles = Math.ceil(rows.most / (TILE + 1 - size));
    const fields = isKnown ? 2 : FIELDS;
    recorder.dispatch(
      recorder.kernels.get('observe', 'wrrrr', rowConstants(rows)),
      [...buffers, attending.sinks?.address ?? part.notes],
      [...head, word(sums), splits, fields, rowTiles, largest ? 1 : 0, word(out), cap, sinks],
      kvHeads * rowTiles,
      keyBytes,
    );
    return { address: out, rows, unscored };
  }

  return {
    observe: (out, rows, o) => observe(out, deviceRows(rows), o, o.aggregate === 'max', 1),
    observeWorst: (out, rows, o, size) => observe(out, deviceRows(rows), o, true, size),
  };
}

/** Parts of a head's rows that are summed up apart. */
function splitsOf({ kvHeads, most }: DeviceRows, tiles: number): number {
  const wanted = Math.ceil(WANTED_GROUPS / (kvHeads * tiles));
  return Math.max(1, Math.min(MOST_SPLITS, wanted, Math.ceil(most / TILE)));
}
