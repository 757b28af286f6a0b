// What a sampler must know of all of a vocabulary's log-odds: passes that touch each once.

/** Adding it to a number that is not negative and below 2^31 leaves that, rounded, in the low bits. */
const ROUND: f64 = 6755399441055744.0; // 1.5 * 2^52

/**
 * The index of the largest of n log-odds, the lower on ties; -1 where one is NaN, all are -Infinity
 * or there is none. l f32 [n]
 */
export function logits_best(l: usize, n: i32): i32 {
  const low = f32x4.splat(-Infinity);
  let a = low;
  let b = low;
  let odd = i32x4.splat(0);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const x = v128.load(l + ((<usize>i) << 2));
    const y = v128.load(l + ((<usize>i) << 2), 16);
    a = f32x4.pmax(a, x);
    b = f32x4.pmax(b, y);
    odd = v128.or(odd, v128.or(f32x4.ne(x, x), f32x4.ne(y, y)));
  }
  a = f32x4.pmax(a, b);
  let most = max<f32>(
    max<f32>(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)),
    max<f32>(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)),
  );
  // NaN passes through max
  for (; i < n; i++) most = max<f32>(most, load<f32>(l + ((<usize>i) << 2)));
  if (v128.any_true(odd) || !(most > -Infinity)) return -1;
  const wanted = f32x4.splat(most);
  for (i = 0; i + 4 <= n; i += 4) {
    const equal = i32x4.bitmask(f32x4.eq(v128.load(l + ((<usize>i) << 2)), wanted));
    if (equal != 0) return i + ctz(equal);
  }
  while (load<f32>(l + ((<usize>i) << 2)) != most) i++;
  return i;
}


@inline
function inside(at: usize, from: v128, to: v128): v128 {
  const x = v128.load(at);
  return v128.and(f32x4.ge(x, from), f32x4.le(x, to));
}

/**
 * Writes the indices of log-odds from least to most, ascending. Returns how many, or limit + 1 for
 * more than limit. kept i32 [min(n, limit)] | l f32 [n]
 */
export function logits_within(
  kept: usize,
  l: usize,
  n: i32,
  least: f32,
  most: f32,
  limit: i32,
): i32 {
  const from = f32x4.splat(least);
  const to = f32x4.splat(most);
  let count = 0;
  let i = 0;
  for (; i + 16 <= n; i += 16) {
    const at = l + ((<usize>i) << 2);
    const a = inside(at, from, to);
    const b = inside(at + 16, from, to);
    const c = inside(at + 32, from, to);
    const d = inside(at + 48, from, to);
    if (!v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) continue;
    let found =
      i32x4.bitmask(a) |
      (i32x4.bitmask(b) << 4) |
      (i32x4.bitmask(c) << 8) |
      (i32x4.bitmask(d) << 12);
    while (found != 0) {
      if (count == limit) return limit + 1;
      store<i32>(kept + ((<usize>count) << 2), i + ctz(found));
      count++;
      found &= found - 1;
    }
  }
  for (; i < n; i++) {
    const x = load<f32>(l + ((<usize>i) << 2));
    if (!(x >= least && x <= most)) continue;
    if (count == limit) return limit + 1;
    store<i32>(kept + ((<usize>count) << 2), i);
    count++;
  }
  return count;
}


@inline
function add(sums: usize, counts: usize, bits: i64, weight: f64): void {
  const bucket = <usize>(<u32>bits);
  const at = sums + (bucket << 3);
  store<f64>(at, load<f64>(at) + weight);
  if (counts == 0) return;
  const to = counts + (bucket << 2);
  store<i32>(to, load<i32>(to) + 1);
}

/**
 * Adds up the weights of log-odds by bucket: that of l lies at z = (best - l) by, rounded, and
 * weighs a polynomial of what rounding took. Those from z = behind up have none; returns the
 * lowest of them that is at least least, or Infinity. No log-odds are above best, or NaN.
 * sums f64 [behind + 1], counts i32 [behind + 1] or 0, others f64 [behind + 1] or 0: all are added
 * to | l f32 [n] | c1 .. c4 coefficients for sums, d1 .. d4 for others
 */
export function logits_sums(
  sums: usize,
  others: usize,
  counts: usize,
  l: usize,
  n: i32,
  best: f64,
  by: f64,
  behind: i32,
  least: f64,
  c1: f64,
  c2: f64,
  c3: f64,
  c4: f64,
  d1: f64,
  d2: f64,
  d3: f64,
  d4: f64,
): f64 {
  const end = <f64>behind;
  const bests = f64x2.splat(best);
  const bys = f64x2.splat(by);
  const ends = f64x2.splat(end);
  const rounds = f64x2.splat(ROUND);
  const one = f64x2.splat(1);
  const v1 = f64x2.splat(c1);
  const v2 = f64x2.splat(c2);
  const v3 = f64x2.splat(c3);
  const v4 = f64x2.splat(c4);
  const u1 = f64x2.splat(d1);
  const u2 = f64x2.splat(d2);
  const u3 = f64x2.splat(d3);
  const u4 = f64x2.splat(d4);
  let lowest: f64 = Infinity;
  for (let i = 0; i < n; i += 4) {
    const at = l + ((<usize>i) << 2);
    if (i + 4 <= n) {
      const x = v128.load(at);
      const y = f64x2.mul(f64x2.sub(bests, f64x2.promote_low_f32x4(x)), bys);
      const upper = f64x2.promote_low_f32x4(i32x4.shuffle(x, x, 2, 3, 2, 3));
      const z = f64x2.mul(f64x2.sub(bests, upper), bys);
      const isIn = v128.and(f64x2.lt(y, ends), f64x2.lt(z, ends));
      if (i64x2.all_true(isIn)) {
        const a = f64x2.add(y, rounds);
        const b = f64x2.add(z, rounds);
        const v = polynomial(f64x2.sub(y, f64x2.sub(a, rounds)), one, v1, v2, v3, v4);
        const w = polynomial(f64x2.sub(z, f64x2.sub(b, rounds)), one, v1, v2, v3, v4);
        add(sums, counts, i64x2.extract_lane(a, 0), f64x2.extract_lane(v, 0));
        add(sums, counts, i64x2.extract_lane(a, 1), f64x2.extract_lane(v, 1));
        add(sums, counts, i64x2.extract_lane(b, 0), f64x2.extract_lane(w, 0));
        add(sums, counts, i64x2.extract_lane(b, 1), f64x2.extract_lane(w, 1));
        if (others == 0) continue;
        const p = polynomial(f64x2.sub(y, f64x2.sub(a, rounds)), one, u1, u2, u3, u4);
        const q = polynomial(f64x2.sub(z, f64x2.sub(b, rounds)), one, u1, u2, u3, u4);
        add(others, 0, i64x2.extract_lane(a, 0), f64x2.extract_lane(p, 0));
        add(others, 0, i64x2.extract_lane(a, 1), f64x2.extract_lane(p, 1));
        add(others, 0, i64x2.extract_lane(b, 0), f64x2.extract_lane(q, 0));
        add(others, 0, i64x2.extract_lane(b, 1), f64x2.extract_lane(q, 1));
        continue;
      }
    }
    const last = min(i + 4, n);
    for (let j = i; j < last; j++) {
      const x = <f64>load<f32>(l + ((<usize>j) << 2));
      const z = (best - x) * by;
      if (z < end) {
        const middle = z + ROUND;
        const f = z - (middle - ROUND);
        const weight = 1 + f * (c1 + f * (c2 + f * (c3 + f * c4)));
        add(sums, counts, reinterpret<i64>(middle), weight);
        if (others == 0) continue;
        const other = 1 + f * (d1 + f * (d2 + f * (d3 + f * d4)));
        add(others, 0, reinterpret<i64>(middle), other);
      } else if (x >= least && x < lowest) lowest = x;
    }
  }
  return lowest;
}

/** 1 + f (c1 + f (c2 + f (c3 + f c4))) */
@inline
function polynomial(f: v128, one: v128, c1: v128, c2: v128, c3: v128, c4: v128): v128 {
  const inner = f64x2.add(c2, f64x2.mul(f, f64x2.add(c3, f64x2.mul(f, c4))));
  return f64x2.add(one, f64x2.mul(f, f64x2.add(c1, f64x2.mul(f, inner))));
}
