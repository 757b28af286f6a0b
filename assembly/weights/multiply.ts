// Products of a pair of runs with one row of rounded activations: what blocks.ts does with each (pair,
// step). `at` is where the block begins in x. X is how x is rounded (gemm/rounded.ts): wide, or narrow.
import { Pairs, Quads, Runs } from '../gemm/dots';
import { scaledHalves } from '../gemm/halves';
import { HALVES, OFFSET_HALVES, OFFSETS } from '../gemm/integers';
import {
  FIRST,
  NARROW_BLOCK,
  NARROW_CODES,
  ROUNDED_BLOCK,
  ROUNDED_CODES,
  SCALE,
  SUM,
  TOTAL,
} from '../gemm/rounded';
import { madd } from '../simd';
import { between, partOf, scaleOf, secondOf } from './pairs';

// What X says: bytes of a block, of its codes and of a quad; sums + products of a quad with x; whole
// numbers of such sums; those less what codes are too large by, `end` being the end of x's codes

@unmanaged
export class Wide {

  @inline
  block(): usize {
    return ROUNDED_BLOCK;
  }


  @inline
  codes(): usize {
    return ROUNDED_CODES;
  }


  @inline
  quad(): usize {
    return 8;
  }


  @inline
  add<B>(s: v128, b: B, bytes: v128, bits: v128, pair: i32, run: i32, i: usize, x: usize): v128 {
    return b.add(s, bytes, bits, pair, run, i, x);
  }


  @inline
  whole<B>(sums: v128): v128 {
    return sums;
  }

  /** Halves' codes have their zero at zero. */
  @inline
  lessHalf<B>(sums: v128, end: usize, half: i32): v128 {
    return sums;
  }


  @inline
  less<B>(sums: v128, end: usize): v128 {
    const bias = changetype<B>(0).bias();
    if (bias == 0) return sums;
    return i32x4.sub(sums, i32x4.shl(v128.load32_splat(end, TOTAL), ctz(bias)));
  }
}

/** Dot adds up products (gemm/dots.ts). */
@unmanaged
export class Narrow<Dot> {

  @inline
  block(): usize {
    return NARROW_BLOCK;
  }


  @inline
  codes(): usize {
    return NARROW_CODES;
  }


  @inline
  quad(): usize {
    return 4;
  }


  @inline
  add<B>(s: v128, b: B, bytes: v128, bits: v128, pair: i32, run: i32, i: usize, x: usize): v128 {
    const code = b.code(bytes, bits, pair, run, i);
    return changetype<Dot>(0).add<B>(s, v128.load32_splat(x), code);
  }


  @inline
  whole<B>(sums: v128): v128 {
    return changetype<Dot>(0).whole<B>(sums);
  }


  @inline
  lessHalf<B>(sums: v128, end: usize, half: i32): v128 {
    const zero = i32x4.splat(changetype<B>(0).zero() << (half << 4));
    return this.lessPairs(sums, end, zero);
  }


  @inline
  less<B>(sums: v128, end: usize): v128 {
    const b = changetype<B>(0);
    if (b.kind() == OFFSETS && !b.isEight()) return sums;
    return this.lessPairs(sums, end, i16x8.splat(<i16>b.zero()));
  }


  @inline
  lessPairs(sums: v128, end: usize, zeros: v128): v128 {
    return i32x4.sub(sums, i32x4.dot_i16x8_s(v128.load32_splat(end, TOTAL), zeros));
  }
}

/** Sums of four products, where the engine is exact with them. */
@unmanaged
export class Exact {

  @inline
  add<B>(sum: v128, x: v128, w: v128): v128 {
    return changetype<Quads>(0).add(sum, x, w);
  }


  @inline
  whole<B>(sum: v128): v128 {
    return sum;
  }
}

/** Sums of two: a run at a time in 16 bits, where codes are small enough. */
@unmanaged
export class Sevens {
  /** Whether sums of a run's quads fit, of x up to 127. */
  @inline
  fit<B>(): bool {
    const b = changetype<B>(0);
    return 2 * 127 * b.most() * (b.run() / 4) <= 32767;
  }


  @inline
  add<B>(sum: v128, x: v128, w: v128): v128 {
    return this.fit<B>() ? changetype<Runs>(0).add(sum, x, w) : changetype<Pairs>(0).add(sum, x, w);
  }


  @inline
  whole<B>(sum: v128): v128 {
    return this.fit<B>() ? changetype<Runs>(0).whole(sum) : sum;
  }
}


@unmanaged
export class Multiply<B, X> {
  /** sums + products with a block of x, scaled, as gemm/integers.ts adds them; end: of x's codes. */
  @inline
  add(sums: v128, products: v128, end: usize, scale: v128, offset: v128): v128 {
    const kind = changetype<B>(0).kind();
    const by = f32x4.mul(scale, v128.load32_splat(end, SCALE));
    sums = madd(sums, f32x4.convert_i32x4_s(products), by);
    if (kind != OFFSETS && kind != OFFSET_HALVES) return sums;
    return madd(sums, offset, v128.load32_splat(end, SUM));
  }

  /** sums + products of two quads that the same bytes and bits make. */
  @inline
  two(sums: v128, b: B, bytes: v128, bits: v128, pair: i32, run: i32, i: usize, q: usize): v128 {
    const x = changetype<X>(0);
    sums = x.add<B>(sums, b, bytes, bits, pair, run, i, q);
    return x.add<B>(sums, b, bytes, bits, pair, run + 2, i + 1, q + x.quad());
  }

  /** sums + products of a quad. */
  @inline
  one(sums: v128, b: B, all: v128, pair: i32, run: i32, i: usize, q: usize): v128 {
    const x = changetype<X>(0);
    const at = q + i * x.quad();
    return x.add<B>(sums, b, b.bytes(pair, i), b.bits(all, pair, i), pair, run, i, at);
  }

  /** The same of four, told apart. */
  @inline
  four(b: B, all: v128, pair: i32, run: i32, q: usize): v128 {
    let sums = this.one(i32x4.splat(0), b, all, pair, run, 0, q);
    sums = this.one(sums, b, all, pair, run, 1, q);
    sums = this.one(sums, b, all, pair, run, 2, q);
    return this.one(sums, b, all, pair, run, 3, q);
  }

  /** sums + products with x. */
  @inline
  pair(sums: v128, at: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32): v128 {
    const x = changetype<X>(0);
    const begin = at + <usize>partOf<B>(pair, 0) * x.block();
    let low = i32x4.splat(0);
    let high = low;
    let q = begin;
    const all = b.shared();
    const next = between<B>(x.block(), x.codes() / 2);
    if (isDefined(b.codes().quads)) {
      const none = i32x4.splat(0);
      const two: usize = 2 * x.quad();
      low = this.two(low, b, b.bytes(pair, 0), none, pair, 0, 0, q);
      low = this.two(low, b, b.bytes(pair, 2), none, pair, 0, 2, q + two);
      high = this.two(high, b, none, b.bits(all, pair, 0), pair, 1, 0, q + next);
      high = this.two(high, b, none, b.bits(all, pair, 2), pair, 1, 2, q + two + next);
    } else if (isDefined(b.codes().unrollsQuads)) {
      low = this.four(b, all, pair, 0, q);
      high = this.four(b, all, pair, 1, q + next);
    } else
      for (let i: usize = 0; i < <usize>(b.run() / 4); i++, q += x.quad()) {
        const bytes = b.bytes(pair, i);
        const bits = b.bits(all, pair, i);
        low = x.add<B>(low, b, bytes, bits, pair, 0, i, q);
        high = x.add<B>(high, b, bytes, bits, pair, 1, i, q + next);
      }
    low = x.whole<B>(low);
    high = x.whole<B>(high);
    const end = begin + x.codes();
    const scale = scaleOf<B>(b, d, t, pair, 0);
    const second = secondOf<B>(b, m, u, pair, 0);
    if (b.kind() == HALVES) {
      const first = x.lessHalf<B>(low, end, 0);
      const by = v128.load32_splat(end, SCALE);
      return scaledHalves(sums, first, x.lessHalf<B>(high, end, 1), scale, second, by);
    }
    if (b.weighs()) {
      low = i32x4.mul(x.lessHalf<B>(low, end, 0), b.weight(pair, 0));
      high = i32x4.mul(x.lessHalf<B>(high, end, 1), b.weight(pair, 1));
      sums = this.add(sums, i32x4.add(low, high), end, scale, second);
    } else if (b.run() == 16) {
      sums = this.add(sums, x.less<B>(i32x4.add(low, high), end), end, scale, second);
    }
    if (b.kind() == OFFSET_HALVES)
      return madd(sums, b.more(m, pair), v128.load32_splat(end, FIRST));
    if (b.run() == 16) return sums;
    sums = this.add(sums, x.less<B>(low, end), end, scale, second);
    const s1 = scaleOf<B>(b, d, t, pair, 1);
    const behind = end + x.block();
    return this.add(sums, x.less<B>(high, behind), behind, s1, secondOf<B>(b, m, u, pair, 1));
  }


  @inline
  step(): usize {
    return <usize>(changetype<B>(0).elements() / 32) * changetype<X>(0).block();
  }

  /** That parts may be constants: it takes up to a third of the time, and twice the bytes. */
  @inline
  unrolls(): bool {
    return true;
  }
}
