// Packed activations (docs/algorithms.md, 'Mixed-bit frames') as plain loops: the definition. Each
// product, quotient and difference is rounded to f32, as the two ends of a wire must agree on every
// bit.
const { fround } = Math;

/** A grid of 2^bits numbers from lo to hi, both f32. */
export interface Grid {
  readonly lo: number;
  readonly hi: number;
  /** 1 to 8. */
  readonly bits: number;
}

const mostOf = (bits: number) => 2 ** bits - 1;

/** x on the grid, the nearest number of it, ties to even. */
export function codeOf(x: number, { lo, hi, bits }: Grid): number {
  const range = fround(hi - lo);
  const by = range > 0 ? fround(mostOf(bits) / range) : 0;
  const at = Math.min(mostOf(bits), Math.max(0, fround(fround(x - lo) * by)));
  const floor = Math.floor(at);
  const isUp = at - floor > 0.5 || (at - floor === 0.5 && floor % 2 === 1);
  return isUp ? floor + 1 : floor;
}

/** The number that a code stands for. */
export function numberOf(code: number, { lo, hi, bits }: Grid): number {
  const step = fround(fround(hi - lo) / mostOf(bits));
  return fround(fround(code * step) + lo);
}

export const packedBytes = (tokens: number, bits: Uint8Array): number =>
  Math.ceil((tokens * bits.reduce((sum, b) => sum + b, 0)) / 8);

/** x f32 [T, D], T = x.length / D, with a grid each channel. */
export function packChannels(x: Float32Array, grids: readonly Grid[]): Uint8Array {
  const [D, T] = [grids.length, x.length / grids.length];
  const out = new Uint8Array(
    packedBytes(
      T,
      Uint8Array.from(grids, ({ bits }) => bits),
    ),
  );
  let at = 0;
  for (const [c, grid] of grids.entries())
    for (let t = 0; t < T; t++) {
      const code = codeOf(x[t * D + c], grid);
      for (let bit = 0; bit < grid.bits; bit++, at++)
        out[at >> 3] |= ((code >> bit) & 1) << (at & 7);
    }
  return out;
}

/** What packChannels() wrote of T tokens. */
export function unpackChannels(packed: Uint8Array, T: number, grids: readonly Grid[]) {
  const D = grids.length;
  const x = new Float32Array(T * D);
  let at = 0;
  for (const [c, grid] of grids.entries())
    for (let t = 0; t < T; t++) {
      let code = 0;
      for (let bit = 0; bit < grid.bits; bit++, at++)
        code |= ((packed[at >> 3] >> (at & 7)) & 1) << bit;
      x[t * D + c] = numberOf(code, grid);
    }
  return x;
}
