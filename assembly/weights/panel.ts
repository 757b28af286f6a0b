// A pair of runs as part of a panel, of pairs of i16 (gemm/integers.ts) or of bytes (gemm/bytes.ts):
// what blocks.ts does with each (pair, step). `at` is where the block begins in what is written.
import { NARROW_PANEL, NARROW_PANEL_CODES, NARROW_WEIGHTS, NARROW_ZERO } from '../gemm/bytes';
import {
  HALVES,
  OFFSET_HALVES,
  PANEL_BLOCK,
  PANEL_CODES,
  PANEL_SECOND,
  PANEL_THIRD,
  SCALES,
} from '../gemm/integers';
import { between, partOf, scaleOf, secondOf } from './pairs';
import { storePairs, storeWeighed } from './unpack';

// What a panel is: bytes of a block and of a quad, where codes lie; what stands in front of them
// besides scales; a quad.

@unmanaged
export class PairsOfCodes {

  @inline
  block(): usize {
    return PANEL_BLOCK;
  }


  @inline
  codes(): usize {
    return PANEL_CODES;
  }


  @inline
  quad(): usize {
    return 64;
  }


  @inline
  front<B>(to: usize, b: B, pair: i32): void {}

  /** A quad less what its codes are too large by, times what they count. */
  @inline
  store<B>(to: usize, b: B, bytes: v128, bits: v128, pair: i32, run: i32, i: usize): void {
    const quad = b.quad(bytes, bits, pair, run, i);
    const bias = b.bias();
    if (b.weighs()) storeWeighed(to, quad, b.weight(pair, run & 1));
    else storePairs(to, bias == 0 ? quad : i8x16.sub(quad, i8x16.splat(<i8>bias)));
  }
}


@unmanaged
export class Bytes {

  @inline
  block(): usize {
    return NARROW_PANEL;
  }


  @inline
  codes(): usize {
    return NARROW_PANEL_CODES;
  }


  @inline
  quad(): usize {
    return 32;
  }

  /** Less zeros: of both halves, or the first one's, and the second one's; what halves count. */
  @inline
  front<B>(to: usize, b: B, pair: i32): void {
    const zero = i32x4.splat(-b.zero() & 0xffff);
    const ofHalves = b.weighs() || b.kind() == HALVES;
    const second = i32x4.shl(zero, 16);
    v128.store(to, ofHalves ? zero : v128.or(zero, second), NARROW_ZERO);
    if (ofHalves) v128.store(to, second, NARROW_ZERO + 32);
    if (!b.weighs()) return;
    v128.store(to, b.weight(pair, 0), NARROW_WEIGHTS);
    v128.store(to, b.weight(pair, 1), NARROW_WEIGHTS + 32);
  }


  @inline
  store<B>(to: usize, b: B, bytes: v128, bits: v128, pair: i32, run: i32, i: usize): void {
    v128.store(to, b.code(bytes, bits, pair, run, i));
  }
}


@unmanaged
export class Panel<B, To> {
  /** What is in front of a part's codes. */
  @inline
  front(to: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32, run: i32): void {
    v128.store(to, scaleOf<B>(b, d, t, pair, run));
    if (b.kind() != SCALES) v128.store(to, secondOf<B>(b, m, u, pair, run), PANEL_SECOND);
    if (b.kind() == OFFSET_HALVES) v128.store(to, b.more(m, pair), PANEL_THIRD);
    changetype<To>(0).front<B>(to, b, pair);
  }

  /** Half of a panel's blocks. */
  @inline
  pair(sums: v128, at: usize, b: B, d: v128, m: v128, t: v128, u: v128, pair: i32): v128 {
    const panel = changetype<To>(0);
    const block = panel.block();
    const quad = panel.quad();
    const to = at + <usize>partOf<B>(pair, 0) * block;
    this.front(to, b, d, m, t, u, pair, 0);
    if (b.run() == 32) this.front(to + block, b, d, m, t, u, pair, 1);
    const all = b.shared();
    let q = to + panel.codes();
    const next = between<B>(block, 4 * quad);
    for (let i: usize = 0; i < <usize>(b.run() / 4); i += b.quads(), q += quad * b.quads()) {
      const bytes = b.bytes(pair, i);
      const bits = b.bits(all, pair, i);
      panel.store<B>(q, b, bytes, bits, pair, 0, i);
      panel.store<B>(q + next, b, bytes, bits, pair, 1, i);
      if (isDefined(b.codes().quads)) {
        panel.store<B>(q + quad, b, bytes, bits, pair, 2, i + 1);
        panel.store<B>(q + quad + next, b, bytes, bits, pair, 3, i + 1);
      }
    }
    return sums;
  }


  @inline
  step(): usize {
    return <usize>(changetype<B>(0).elements() / 32) * changetype<To>(0).block();
  }
}
