// A pair of runs as f32: what blocks.ts does with each (pair, step). `at` is where the block begins in
// what is written.
import { HALVES, OFFSET_HALVES, OFFSETS } from '../gemm/integers';
import { between, partOf, scaleOf, secondOf } from './pairs';
import { storeQuad } from './unpack';


@unmanaged
export class Widen<B> {
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
