// Rows of few bits that stand alone: each is rotated, so that no channel stands out, and rounded on a
// scale of its own (codes.ts). Self-contained: a row can be moved anywhere.
//
//   x [d] -> H diag(s) x -> codes
//
// H is the Walsh-Hadamard transform of the largest power of two that divides d, block by block,
// orthonormal and so its own inverse; s are fixed signs, without which what all channels have in
// common would meet in one. Rotating queries too leaves q . k as it is, and values are rotated back
// once an output.
import { codeBytes, quantizeRows, ROUNDED_ROWS } from './codes';

/** Parities of the hash j * 0x9e3779b1 of channels 0 .. 511, 32 to a word, lowest first. */
const PARITIES = memory.data<u32>([
  0x99e3120a, 0xdda0e06a, 0xfad3b885, 0x3de80ad3, 0x00d88408, 0x34fc3e97, 0x59f29039, 0x16d7a5c4,
  0x535c3984, 0x1ae5c925, 0xbb9f7df0, 0x01c9f319, 0x0db1e93a, 0xd471b11d, 0xa5293780, 0x7088102b,
]);
const TABLED: i32 = 512;

/** The sign bits that four parities stand for. */
const SIGN_BITS = memory.data<u32>([
  0, 0, 0, 0, 0x80000000, 0, 0, 0, 0, 0x80000000, 0, 0, 0x80000000, 0x80000000, 0, 0, 0, 0,
  0x80000000, 0, 0x80000000, 0, 0x80000000, 0, 0, 0x80000000, 0x80000000, 0, 0x80000000, 0x80000000,
  0x80000000, 0, 0, 0, 0, 0x80000000, 0x80000000, 0, 0, 0x80000000, 0, 0x80000000, 0, 0x80000000,
  0x80000000, 0x80000000, 0, 0x80000000, 0, 0, 0x80000000, 0x80000000, 0x80000000, 0, 0x80000000,
  0x80000000, 0, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000, 0x80000000,
]);

/** Sign bits of channels j .. j + 3. */
@inline
function signs(j: i32): v128 {
  if (j < TABLED) {
    const nibble = (load<u32>(PARITIES + ((<usize>(j >> 5)) << 2)) >> (j & 28)) & 15;
    return v128.load(SIGN_BITS + ((<usize>nibble) << 4));
  }
  let hash = i32x4.mul(i32x4.add(i32x4.splat(j), i32x4(0, 1, 2, 3)), i32x4.splat(0x9e3779b1));
  hash = v128.xor(hash, i32x4.shr_u(hash, 16));
  hash = v128.xor(hash, i32x4.shr_u(hash, 8));
  hash = v128.xor(hash, i32x4.shr_u(hash, 4));
  hash = v128.xor(hash, i32x4.shr_u(hash, 2));
  return i32x4.shl(v128.xor(hash, i32x4.shr_u(hash, 1)), 31);
}


@inline
function flip(x: usize, d: i32): void {
  for (let j = 0; j < d; j += 4) {
    const p = x + ((<usize>j) << 2);
    v128.store(p, v128.xor(v128.load(p), signs(j)));
  }
}

const ODD_SIGNS = memory.data<u32>([0, 0x80000000, 0, 0x80000000]);
const HIGH_SIGNS = memory.data<u32>([0, 0, 0x80000000, 0x80000000]);

/** Neighbours among four numbers, then pairs of them: a + b and a - b where a and b were. */
@inline
function within(v: v128): v128 {
  v = f32x4.add(i32x4.shuffle(v, v, 1, 0, 3, 2), v128.xor(v, v128.load(ODD_SIGNS)));
  return f32x4.add(i32x4.shuffle(v, v, 2, 3, 0, 1), v128.xor(v, v128.load(HIGH_SIGNS)));
}

/** Sums and differences of four vectors at p, h bytes apart: at a distance h, then at 2 h. */
@inline
function across(p: usize, h: usize, a: v128, b: v128, c: v128, e: v128): void {
  const ab = f32x4.add(a, b);
  const ce = f32x4.add(c, e);
  const a_b = f32x4.sub(a, b);
  const c_e = f32x4.sub(c, e);
  v128.store(p, f32x4.add(ab, ce));
  v128.store(p + h, f32x4.add(a_b, c_e));
  v128.store(p + 2 * h, f32x4.sub(ab, ce));
  v128.store(p + 3 * h, f32x4.sub(a_b, c_e));
}

/** x = H x, or H diag(s) x where `signed`, block by block. x f32 [d] in place */
@inline
function transform(x: usize, d: i32, signed: bool): void {
  const width = d & -d; // 8 at least
  const scale = f32x4.splat(<f32>1 / sqrt<f32>(<f32>width));
  const end = x + ((<usize>d) << 2);
  const bytes = (<usize>width) << 2;
  let h: usize = 16;
  if (bytes >= 64) {
    for (let p = x, j = 0; p < end; p += 64, j += 16) {
      const a = signed ? v128.xor(v128.load(p), signs(j)) : v128.load(p);
      const b = signed ? v128.xor(v128.load(p, 16), signs(j + 4)) : v128.load(p, 16);
      const c = signed ? v128.xor(v128.load(p, 32), signs(j + 8)) : v128.load(p, 32);
      const e = signed ? v128.xor(v128.load(p, 48), signs(j + 12)) : v128.load(p, 48);
      across(
        p,
        16,
        within(f32x4.mul(a, scale)),
        within(f32x4.mul(b, scale)),
        within(f32x4.mul(c, scale)),
        within(f32x4.mul(e, scale)),
      );
    }
    h = 64;
  } else {
    if (signed) flip(x, d);
    for (let p = x; p < end; p += 16) v128.store(p, within(f32x4.mul(v128.load(p), scale)));
  }
  for (; h << 1 < bytes; h <<= 2) {
    for (let block = x; block < end; block += h << 2) {
      for (let p = block; p < block + h; p += 16)
        across(p, h, v128.load(p), v128.load(p + h), v128.load(p + 2 * h), v128.load(p + 3 * h));
    }
  }
  if (h < bytes) {
    for (let block = x; block < end; block += h << 1) {
      for (let p = block; p < block + h; p += 16) {
        const a = v128.load(p);
        const b = v128.load(p + h);
        v128.store(p, f32x4.add(a, b));
        v128.store(p + h, f32x4.sub(a, b));
      }
    }
  }
}

/** x = H diag(s) x for n rows. x f32 [n, d] in place */
export function rotateRows(x: usize, n: i32, d: i32): void {
  for (let i = 0; i < n; i++, x += (<usize>d) << 2) transform(x, d, true);
}

/** Takes the rotation of n rows back: x = diag(s) H x. x f32 [n, d] in place */
export function unrotateRows(x: usize, n: i32, d: i32): void {
  for (let i = 0; i < n; i++, x += (<usize>d) << 2) {
    transform(x, d, false);
    flip(x, d);
  }
}

/** Rotates, rounds and stores n rows: dst | src f32 [n, d] lds | scratch f32 [ROUNDED_ROWS, d] */
export function storeRotated(
  dst: usize,
  src: usize,
  n: i32,
  d: i32,
  lds: i32,
  bits: i32,
  scratch: usize,
): void {
  const bytes = codeBytes(d, bits);
  const row = (<usize>d) << 2;
  for (let i = 0; i < n; i += ROUNDED_ROWS) {
    const count = min(ROUNDED_ROWS, n - i);
    for (let r: usize = 0; r < <usize>count; r++, src += (<usize>lds) << 2)
      memory.copy(scratch + r * row, src, row);
    rotateRows(scratch, count, d);
    quantizeRows(dst, scratch, count, d, bits, bytes);
    dst += <usize>count * bytes;
  }
}
