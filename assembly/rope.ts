// Rotary position embedding. The angles come as a table, so that positions of any size keep f64
// accuracy: row p holds [cos of rot / 2 angles | sin of rot / 2 angles] f32, computed in f64 where
// positions are known.
import { isPlain, rowBytes, rows_store, rows_widen } from './rows/table';
import { madd } from './simd';

/** A sine as it is, or of the angle that turns back. */
@inline
function turn(sine: f32, back: bool): f32 {
  return back ? -sine : sine;
}

/**
 * Rotates one head of f32: pairs (2j, 2j + 1), or (j, j + rot / 2) for `neox`; the other way where
 * `back`.
 */
@inline
function rotate(x: usize, angles: usize, rot: i32, neox: bool, back: bool): void {
  const half = (<usize>(rot >> 1)) << 2;
  if (!neox) {
    const flip = back ? i32x4(0, 0x80000000, 0, 0x80000000) : i32x4(0x80000000, 0, 0x80000000, 0);
    let j: usize = 0;
    for (; j + 8 <= half; j += 8) {
      const v = v128.load(x + 2 * j);
      const c = v128.load64_zero(angles + j);
      const s = v128.load64_zero(angles + half + j);
      const cosines = i32x4.shuffle(c, c, 0, 0, 1, 1);
      const sines = v128.xor(i32x4.shuffle(s, s, 0, 0, 1, 1), flip);
      v128.store(x + 2 * j, madd(f32x4.mul(v, cosines), i32x4.shuffle(v, v, 1, 0, 3, 2), sines));
    }
    for (; j < half; j += 4) {
      const a = load<f32>(x + 2 * j);
      const b = load<f32>(x + 2 * j, 4);
      const c = load<f32>(angles + j);
      const s = turn(load<f32>(angles + half + j), back);
      store<f32>(x + 2 * j, a * c - b * s);
      store<f32>(x + 2 * j, a * s + b * c, 4);
    }
    return;
  }
  let j: usize = 0;
  for (; j + 16 <= half; j += 16) {
    const a = v128.load(x + j);
    const b = v128.load(x + half + j);
    const c = v128.load(angles + j);
    const sines = v128.load(angles + half + j);
    const s = back ? f32x4.neg(sines) : sines;
    v128.store(x + j, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(x + half + j, f32x4.add(f32x4.mul(a, s), f32x4.mul(b, c)));
  }
  for (; j < half; j += 4) {
    const a = load<f32>(x + j);
    const b = load<f32>(x + half + j);
    const c = load<f32>(angles + j);
    const s = turn(load<f32>(angles + half + j), back);
    store<f32>(x + j, a * c - b * s);
    store<f32>(x + half + j, a * s + b * c);
  }
}

/**
 * Rotates row i's heads by the angles of table row i, or back by them.
 * x f32 [n, heads, d] in place | table f32 [n, rot]; rot even, <= d: the rest of a head stays
 */
export function rope(
  x: usize,
  table: usize,
  n: i32,
  heads: i32,
  d: i32,
  rot: i32,
  neox: i32,
  back: i32,
): void {
  for (let i = 0; i < n; i++) {
    const angles = table + <usize>i * ((<usize>rot) << 2);
    for (let h = 0; h < heads; h++, x += (<usize>d) << 2) {
      if (back) rotate(x, angles, rot, neox != 0, true);
      else rotate(x, angles, rot, neox != 0, false);
    }
  }
}

/**
 * Moves n cached keys by the same number of positions: a rotation by the angles of that many
 * (negative: back). rows [n, d] in place | angles f32 [rot], of the shift | scratch f32 [d]
 */
export function rope_shift(
  rows: usize,
  angles: usize,
  scratch: usize,
  n: i32,
  d: i32,
  rot: i32,
  neox: i32,
  type: i32,
): void {
  const bytes = rowBytes(d, type);
  for (let i = 0; i < n; i++, rows += bytes) {
    if (isPlain<f32>(type)) {
      rotate(rows, angles, rot, neox != 0, false);
      continue;
    }
    rows_widen(scratch, rows, 0, 1, d, type);
    rotate(scratch, angles, rot, neox != 0, false);
    rows_store(rows, scratch, scratch, 1, d, d, type);
  }
}
