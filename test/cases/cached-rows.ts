// Cached rows as the bytes that any cache takes (src/backend/cpu/transfer.ts), encoded by the
// definition of the row types, and back.
import type { Cache } from '../../src/backend/cache.ts';
import { cacheColumns, type CacheShape, layerShape } from '../../src/backend/cache-shape.ts';
import {
  gridBytes,
  isGrouped,
  isQuantized,
  type RowType,
  rowBytes,
  rowTypes,
} from '../../src/backend/dtype.ts';
import { sectionsOf } from '../../src/backend/extent.ts';
import { encodeGroup, encodeRow, quantize, tailOf } from '../../src/backend/row-codec.ts';
import { SETTLED_SLOTS, slotBytes } from '../../src/backend/group-sizes.ts';
import type { Extent } from '../../src/backend/state.ts';
import { joined } from '../../src/math/joined.ts';
import { hashText } from '../../src/math/rng.ts';
import { createDrawn } from './drawn.ts';

/** Keys and values of a head, one behind the other, and what they name. */
export interface EncodedRows {
  readonly rows: Uint8Array;
  readonly grids: readonly Uint8Array[];
  readonly unrounded: readonly Uint8Array[];
}

/** What a head is to hold. */
export interface GivenHead {
  readonly rows: EncodedRows;
  readonly tokens: readonly number[];
  readonly states: readonly number[];
}

/** Numbers of the first grid and the first slot that rows of a side may name. */
export interface Naming {
  readonly grid: number;
  readonly slot: number;
}

/**
 * Rows of a type whose keys share grids: two groups, of rows turn about, and a last row that is not
 * rounded. Values have no grids.
 */
export function groupRows(
  numbers: readonly Float32Array[],
  type: RowType,
  side: 'keys' | 'values',
  { grid, slot }: Naming,
): { rows: Uint8Array[]; grids: Uint8Array[]; unrounded: Uint8Array[] } {
  const rows: Uint8Array[] = new Array(numbers.length);
  const grids: Uint8Array[] = [];
  const last = numbers.length - 1;
  for (const odd of [0, 1]) {
    const members = [...numbers.keys()].filter((i) => i % 2 === odd && i < last);
    if (members.length === 0) continue;
    const group = encodeGroup(
      members.map((i) => numbers[i]),
      type,
      grid + odd,
    );
    const bits = Math.ceil(rowTypes[type].bits) as 3 | 4 | 8;
    if (side === 'keys') grids.push(group.grid);
    members.forEach((i, m) => {
      rows[i] = side === 'keys' ? group.rows[m] : quantize([...numbers[i]], bits);
    });
  }
  if (last < 0) return { rows, grids, unrounded: [] };
  const tailed = new Uint8Array(rowBytes(type, numbers[last].length, side));
  new DataView(tailed.buffer).setUint32(tailed.length - 4, tailOf(slot, false), true);
  rows[last] = tailed;
  return { rows, grids, unrounded: [encodeRow(numbers[last], 'f16')] };
}

/** Slots that each head has, in a cache without room. */
const slots = SETTLED_SLOTS;

/** Rows of head h. */
export function encodeRows(
  keys: readonly Float32Array[],
  values: readonly Float32Array[],
  type: RowType,
  h = 0,
): EncodedRows {
  if (!isGrouped(type)) {
    const rows = joined([...keys, ...values].map((row) => encodeRow(row, type)));
    return { rows, grids: [], unrounded: [] };
  }
  const [k, v] = [
    groupRows(keys, type, 'keys', { grid: 2 * h, slot: 2 * h * slots }),
    groupRows(values, type, 'values', { grid: 0, slot: (2 * h + 1) * slots }),
  ];
  const rows = joined([...k.rows, ...v.rows]);
  return { rows, grids: k.grids, unrounded: [...k.unrounded, ...v.unrounded] };
}

const known = new Map<string, EncodedRows>();

/** Rows of numbers that are drawn and encoded once for all who ask for such a head. */
export function drawnRows(length: number, d: number, type: RowType, h: number): EncodedRows {
  const key = [length, d, type, h].join(' ');
  const draw = () => {
    const { numbers } = createDrawn(hashText(key));
    const [keys, values] = [0, 1].map(() => Array.from({ length }, () => numbers(d)));
    return encodeRows(keys, values, type, h);
  };
  const rows = known.get(key) ?? draw();
  known.set(key, rows);
  return rows;
}

/** Heads of one layer as a cache takes them. */
export function encodeHeads(
  heads: readonly GivenHead[],
  type: RowType,
): { extent: Extent; bytes: Uint8Array } {
  const columns = heads.flatMap(({ rows, tokens, states }) => [
    rows.rows,
    ...[
      Int32Array.from(tokens),
      Float32Array.from(states),
      Int32Array.from(isQuantized(type) ? tokens : []),
    ].map(({ buffer }) => new Uint8Array(buffer)),
  ]);
  const grids = heads.flatMap(({ rows }) => rows.grids);
  const unrounded = heads.flatMap(({ rows }) => rows.unrounded);
  const lengths = heads.map(({ tokens }) => tokens.length);
  const channels = (parts: readonly Uint8Array[], bytes: number) =>
    parts.length === 0 ? 0 : joined(parts).length / bytes;
  return {
    extent: {
      lengths,
      gridChannels: channels(grids, gridBytes(type, 1)),
      slotChannels: channels(unrounded, slotBytes(1)),
    },
    bytes: joined([...columns, ...grids, ...unrounded]),
  };
}

/** The columns of each head by their names, of bytes as a cache gives or takes them. */
export function splitHeads(
  shape: CacheShape,
  extent: Extent,
  bytes: Uint8Array,
): Record<string, Uint8Array>[] {
  const sections = sectionsOf(shape, extent);
  const names = cacheColumns(layerShape(shape, 0).headDim, shape.rowType).map(([name]) => name);
  let at = 0;
  return extent.lengths.map((_, h) =>
    Object.fromEntries(
      names.map((name, i) => {
        const from = at;
        at += sections[h * names.length + i];
        return [name, bytes.slice(from, at)];
      }),
    ),
  );
}

/** Those of a cache as it is. */
export async function readHeads(cache: Cache): Promise<Record<string, Uint8Array>[]> {
  const extent = await cache.save();
  const sections = sectionsOf(cache.shape, extent);
  const bytes = new Uint8Array(sections.reduce((a, b) => a + b, 0));
  await cache.read(bytes);
  return splitHeads(cache.shape, extent, bytes);
}
