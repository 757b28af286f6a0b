// Everything that is done with blocks of codes, each loop once: a type describes its blocks
// (block.ts), and the compiler makes a copy of the loops for it, with the description inlined.
import { storeGroup } from '../gemm/floats';
import {
  HALVES,
  OFFSET_HALVES,
  OFFSETS,
  PANEL_BLOCK,
  PANEL_CODES,
  PANEL_SECOND,
  PANEL_THIRD,
  SCALES,
} from '../gemm/integers';
import { FIRST, ROUNDED_BLOCK, ROUNDED_CODES, SCALE, SUM, TOTAL } from '../gemm/rounded';
import { madd } from '../simd';
import { storePairs, storeQuad, storeWeighed } from './unpack';

/** Bytes of a group's block: four rows of them. */
@inline
function groupBytes<B>(): usize {
  const block = changetype<B>(0);
  const halves = block.head() + block.tail();
  return 4 * <usize>(block.lead() + 2 * halves + 4 * block.words());
}

/** The part that a run belongs to. */
@inline
function partOf<B>(pair: i32, run: i32): i32 {
  return changetype<B>(0).run() == 16 ? pair : 2 * pair + run;
}

/** What lies between the runs of a pair, where a part takes `part` bytes and half of one `half`. */
@inline
function between<B>(part: usize, half: usize): usize {
  return changetype<B>(0).run() == 16 ? half : part;
}

/** Scales of a pair's runs, and their seconds; d, m, t, u as in onePair(). */
@inline
function scaleOf<B>(b: B, d: v128, t: v128, pair: i32, run: i32): v128 {
  return b.scale(d, t, partOf<B>(pair, run));
}


@inline
function secondOf<B>(b: B, m: v128, u: v128, pair: i32, run: i32): v128 {
  return b.second(m, u, partOf<B>(pair, run));
}

// What can be done with a pair of runs. `at` is where its block begins in what is written or
// multiplied by; the rest as in somePairs().

@unmanaged
class Widen<B> {
  /** Numbers of a run: f32 = code * scale + offset. */
  @inline
  offset(b: B, m: v128, u: v128, scale: v128, pair: i32, run: i32): v128 {
    if (b.kind() == OFFSETS || b.kind() == OFFSET_HALVES) return secondOf<B>(b, m, u, pair, run);
    return b.bias() == 0 ? f32x4.splat(0) : f32x4.mul(scale, f32x4.splat(<f32>-b.bias()));
  }

  /** Numbers as f32 [32, 4] ld 8 a part. */
  @inline
  pair(sums: v128, at: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32): v128 {
    let s0 = scaleOf<B>(b, d, t, pair, 0);
    let o0 = this.offset(b, m, u, s0, pair, 0);
    let s1 = s0;
    let o1 = o0;
    if (b.kind() == OFFSET_HALVES) o0 = f32x4.add(o1, b.more(m, pair));
    if (b.weighs()) {
      s0 = f32x4.mul(s0, f32x4.convert_i32x4_s(b.weight(pair, 0)));
      s1 = f32x4.mul(s1, f32x4.convert_i32x4_s(b.weight(pair, 1)));
    }
    if (b.kind() == HALVES) s1 = secondOf<B>(b, m, u, pair, 0);
    else if (b.run() == 32) {
      s1 = scaleOf<B>(b, d, t, pair, 1);
      o1 = this.offset(b, m, u, s1, pair, 1);
    }
    const to = at + <usize>partOf<B>(pair, 0) * 1024;
    const all = b.shared();
    let q = to;
    const next = between<B>(1024, 512);
    for (let i: usize = 0; i < <usize>(b.run() / 4); i += b.quads(), q += 128 * b.quads()) {
      const bytes = b.bytes(pair, i);
      const bits = b.bits(all, pair, i);
      storeQuad(q, b.quad(bytes, bits, pair, 0, i), s0, o0);
      storeQuad(q + next, b.quad(bytes, bits, pair, 1, i), s1, o1);
      if (isDefined(b.codes().quads)) {
        storeQuad(q + 128, b.quad(bytes, bits, pair, 2, i + 1), s0, o0);
        storeQuad(q + 128 + next, b.quad(bytes, bits, pair, 3, i + 1), s1, o1);
      }
    }
    return sums;
  }

  /** Bytes that a block takes at `at`. */
  @inline
  step(): usize {
    return <usize>changetype<B>(0).elements() * 32;
  }
}


@unmanaged
class Panel<B> {
  /** A part's scale and second. */
  @inline
  scales(to: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32, run: i32): void {
    v128.store(to, scaleOf<B>(b, d, t, pair, run));
    if (b.kind() != SCALES) v128.store(to, secondOf<B>(b, m, u, pair, run), PANEL_SECOND);
    if (b.kind() == OFFSET_HALVES) v128.store(to, b.more(m, pair), PANEL_THIRD);
  }

  /** A quad less what its codes are too large by, times what they count. */
  @inline
  codes(to: usize, b: B, quad: v128, weight: v128): void {
    const bias = b.bias();
    if (b.weighs()) storeWeighed(to, quad, weight);
    else storePairs(to, bias == 0 ? quad : i8x16.sub(quad, i8x16.splat(<i8>bias)));
  }

  /** Half of a panel's blocks. */
  @inline
  pair(sums: v128, at: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32): v128 {
    const to = at + <usize>partOf<B>(pair, 0) * PANEL_BLOCK;
    this.scales(to, b, d, m, t, u, pair, 0);
    if (b.run() == 32) this.scales(to + PANEL_BLOCK, b, d, m, t, u, pair, 1);
    const w0 = b.weight(pair, 0);
    const w1 = b.weight(pair, 1);
    const all = b.shared();
    let q = to + PANEL_CODES;
    const next = between<B>(PANEL_BLOCK, 256);
    for (let i: usize = 0; i < <usize>(b.run() / 4); i += b.quads(), q += 64 * b.quads()) {
      const bytes = b.bytes(pair, i);
      const bits = b.bits(all, pair, i);
      this.codes(q, b, b.quad(bytes, bits, pair, 0, i), w0);
      this.codes(q + next, b, b.quad(bytes, bits, pair, 1, i), w1);
      if (isDefined(b.codes().quads)) {
        this.codes(q + 64, b, b.quad(bytes, bits, pair, 2, i + 1), w0);
        this.codes(q + 64 + next, b, b.quad(bytes, bits, pair, 3, i + 1), w1);
      }
    }
    return sums;
  }


  @inline
  step(): usize {
    return <usize>(changetype<B>(0).elements() / 32) * PANEL_BLOCK;
  }
}


@unmanaged
class Multiply<B> {
  /** sums + products with a block of x, scaled, as addBlock() of gemm/integers.ts adds them. */
  @inline
  add(sums: v128, products: v128, x: usize, scale: v128, offset: v128): v128 {
    const kind = changetype<B>(0).kind();
    const bias = changetype<B>(0).bias();
    // what each code is too large by, times the sum of x
    if (bias != 0) {
      const total = v128.load32_splat(x, ROUNDED_CODES + TOTAL);
      products = i32x4.sub(products, i32x4.shl(total, ctz(bias)));
    }
    const by = f32x4.mul(scale, v128.load32_splat(x, ROUNDED_CODES + SCALE));
    sums = madd(sums, f32x4.convert_i32x4_s(products), by);
    if (kind != OFFSETS && kind != OFFSET_HALVES) return sums;
    return madd(sums, offset, v128.load32_splat(x, ROUNDED_CODES + SUM));
  }

  /** sums + products of two quads that the same bytes and bits make. */
  @inline
  two(sums: v128, b: B, bytes: v128, bits: v128, pair: i32, run: i32, i: usize, x: usize): v128 {
    sums = b.add(sums, bytes, bits, pair, run, i, x);
    return b.add(sums, bytes, bits, pair, run + 2, i + 1, x + 8);
  }

  /** sums + products with x, rounded. */
  @inline
  pair(sums: v128, at: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32): v128 {
    const x = at + <usize>partOf<B>(pair, 0) * ROUNDED_BLOCK;
    let low = i32x4.splat(0);
    let high = low;
    let q = x;
    const all = b.shared();
    const next = between<B>(ROUNDED_BLOCK, 32);
    if (isDefined(b.codes().quads)) {
      const none = i32x4.splat(0);
      low = this.two(low, b, b.bytes(pair, 0), none, pair, 0, 0, q);
      low = this.two(low, b, b.bytes(pair, 2), none, pair, 0, 2, q + 16);
      high = this.two(high, b, none, b.bits(all, pair, 0), pair, 1, 0, q + next);
      high = this.two(high, b, none, b.bits(all, pair, 2), pair, 1, 2, q + 16 + next);
    } else
      for (let i: usize = 0; i < <usize>(b.run() / 4); i++, q += 8) {
        const bytes = b.bytes(pair, i);
        const bits = b.bits(all, pair, i);
        low = b.add(low, bytes, bits, pair, 0, i, q);
        high = b.add(high, bytes, bits, pair, 1, i, q + next);
      }
    const scale = scaleOf<B>(b, d, t, pair, 0);
    const second = secondOf<B>(b, m, u, pair, 0);
    if (b.kind() == HALVES) return this.add(this.add(sums, low, x, scale, d), high, x, second, d);
    if (b.weighs()) {
      low = i32x4.mul(low, b.weight(pair, 0));
      high = i32x4.mul(high, b.weight(pair, 1));
    }
    if (b.run() == 16) sums = this.add(sums, i32x4.add(low, high), x, scale, second);
    if (b.kind() == OFFSET_HALVES)
      return madd(sums, b.more(m, pair), v128.load32_splat(x, ROUNDED_CODES + FIRST));
    if (b.run() == 16) return sums;
    sums = this.add(sums, low, x, scale, second);
    const s1 = scaleOf<B>(b, d, t, pair, 1);
    return this.add(sums, high, x + ROUNDED_BLOCK, s1, secondOf<B>(b, m, u, pair, 1));
  }


  @inline
  step(): usize {
    return <usize>(changetype<B>(0).elements() / 32) * ROUNDED_BLOCK;
  }

  /** That parts may be constants: it takes up to a third of the time, and twice the bytes. */
  @inline
  unrolls(): bool {
    return true;
  }
}

/** Does what there is to do with a pair whose scales are stored alone. */
@inline
function onePair<B, Do>(s: v128, at: usize, b: B, d: v128, m: v128, pair: i32): v128 {
  const t = b.scales(partOf<B>(pair, 0));
  const u = b.seconds(partOf<B>(pair, 0));
  return changetype<Do>(0).pair(s, at, b, d, m, t, u, pair);
}

/** The same with two pairs, of four parts whose scales are stored together. */
@inline
function twoPairs<B, Do>(s: v128, at: usize, b: B, d: v128, m: v128, pair: i32): v128 {
  const work = changetype<Do>(0);
  const t = b.scales(partOf<B>(pair, 0));
  const u = b.seconds(partOf<B>(pair, 0));
  return work.pair(work.pair(s, at, b, d, m, t, u, pair), at, b, d, m, t, u, pair + 1);
}

/** The same with four parts of two runs each. */
@inline
function fourParts<B, Do>(s: v128, at: usize, b: B, d: v128, m: v128, part: i32): v128 {
  s = onePair<B, Do>(s, at, b, d, m, part);
  s = onePair<B, Do>(s, at, b, d, m, part + 1);
  s = onePair<B, Do>(s, at, b, d, m, part + 2);
  return onePair<B, Do>(s, at, b, d, m, part + 3);
}

/**
 * The same with a whole block. What is asked here is whether something is defined: the debug build
 * evaluates nothing else beforehand, and would have all ways in it.
 */
@inline
function eachPair<B, Do>(s: v128, at: usize, b: B): v128 {
  const d = b.d();
  const m = b.m();
  if (isDefined(b.codes().elements) && !isDefined(b.codes().run))
    return twoPairs<B, Do>(twoPairs<B, Do>(s, at, b, d, m, 0), at, b, d, m, 2);
  if (isDefined(b.codes().unrolls) && isDefined(changetype<Do>(0).unrolls))
    return fourParts<B, Do>(fourParts<B, Do>(s, at, b, d, m, 0), at, b, d, m, 4);
  if (!isDefined(b.codes().elements) && !isDefined(b.front().parts))
    return onePair<B, Do>(s, at, b, d, m, 0);
  const parts = b.elements() / 32;
  for (let part = 0; part < parts; part++) s = onePair<B, Do>(s, at, b, d, m, part);
  return s;
}

/** The same with elements k0 .. k0 + count of a packed group at src. */
@inline
function spread<B, Do>(dst: usize, src: usize, k0: i32, count: i32): void {
  const elements = changetype<B>(0).elements();
  let p = src + <usize>(k0 / elements) * groupBytes<B>();
  for (let i = 0; i < count; i += elements, p += groupBytes<B>(), dst += changetype<Do>(0).step())
    eachPair<B, Do>(f32x4.splat(0), dst, changetype<B>(p));
}

/** A type's Unpack (gemm/floats.ts). */
export function unpackBlocks<B>(dst: usize, src: usize, k0: i32, count: i32): void {
  spread<B, Widen<B>>(dst, src, k0, count);
}

/** A type's UnpackCodes (gemm/integers.ts). */
export function unpackCodes<B>(dst: usize, src: usize, k0: i32, count: i32): void {
  spread<B, Panel<B>>(dst, src, k0, count);
}

/**
 * y[m] = sum_k x[k] W[m, k], part after part as gemm() adds them. y f32 [m] | x rounded [k] | w
 * packed [m, k]
 */
export function gemvBlocks<B>(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + <usize>(k / 32) * ROUNDED_BLOCK;
  for (let row = 0; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let q = x; q < end; q += changetype<Multiply<B>>(0).step(), w += groupBytes<B>())
      sums = eachPair<B, Multiply<B>>(sums, q, changetype<B>(w));
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
