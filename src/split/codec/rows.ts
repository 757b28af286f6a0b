// Rows of activations f32 [T, D]: which moved, which were sent, and the same by columns.
import { ProtocolError } from '../../errors.ts';
import type { KnownRows } from './samples.ts';

/** Rows that are not known, or moved by more than `threshold` times the length they had. */
export function movedRows(
  x: Float32Array,
  { base, isKnown }: KnownRows,
  D: number,
  threshold: number,
): number[] {
  return [...isKnown.keys()].filter((t) => {
    let [moved, length] = [0, 0];
    for (let i = t * D; i < (t + 1) * D; i++) {
      moved += (x[i] - base[i]) ** 2;
      length += base[i] ** 2;
    }
    // what is no number is sent, so that it is seen
    return !isKnown[t] || !(moved <= threshold ** 2 * length);
  });
}

/** One bit a token, lowest first. */
export function maskOf(rows: readonly number[], T: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil(T / 8));
  for (const t of rows) mask[t >> 3] |= 1 << (t & 7);
  return mask;
}

/** The way back, of a frame that says how many they are. Throws ProtocolError. */
export function rowsOfMask(mask: Uint8Array, T: number, count: number): number[] {
  const rows = Array.from({ length: T }, (_, t) => t).filter((t) => (mask[t >> 3] >> (t & 7)) & 1);
  const isClean = T % 8 === 0 || mask[mask.length - 1] >> (T % 8) === 0;
  if (mask.length !== Math.ceil(T / 8) || rows.length !== count || !isClean)
    throw new ProtocolError(
      `frame: ${rows.length} of ${T} tokens are marked in ${mask.length} bytes, expected ` +
        `${count} in ${Math.ceil(T / 8)}: ask for the frame again`,
    );
  return rows;
}

/** The rows of x alone, in order. */
export function gather(x: Float32Array, rows: readonly number[], D: number): Float32Array {
  const out = new Float32Array(rows.length * D);
  for (const [i, t] of rows.entries()) out.set(x.subarray(t * D, (t + 1) * D), i * D);
  return out;
}

/** base with these rows in their places. */
export function scatter(
  base: Float32Array,
  x: Float32Array,
  rows: readonly number[],
  D: number,
): Float32Array {
  const out = base.slice();
  for (const [i, t] of rows.entries()) out.set(x.subarray(i * D, (i + 1) * D), t * D);
  return out;
}

/** What both ends hold after a frame: rows that came, or changes, on what was there. */
export function joined(
  base: Float32Array,
  back: Float32Array,
  rows: readonly number[],
  D: number,
  isChange: boolean,
): Float32Array {
  return isChange ? back.map((v, i) => v + base[i]) : scatter(base, back, rows, D);
}

/** x f32 [T, columns] as f32 [columns, T]. */
export function transpose(x: Float32Array, columns: number): Float32Array {
  const T = x.length / columns;
  const out = new Float32Array(x.length);
  for (let t = 0; t < T; t++) for (let c = 0; c < columns; c++) out[c * T + t] = x[t * columns + c];
  return out;
}
