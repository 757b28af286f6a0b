// What a stored type says of its blocks: all that the loops of blocks.ts ask. A type is a class of
// scales S and one of codes C; what they leave out is zero. The compiler knows at every call which
// class is meant, and leaves nothing of it but the numbers. (Inheriting the defaults would make the
// calls virtual, which need what an unmanaged class has not: so they stand here, a method each.)
//
// A block is cut into parts of 32 elements with a scale each. Codes lie in pairs of runs, two runs in
// the same bytes: halves of a part, or two parts. Vectors of scales are f32 [4 rows]; codes are seen
// in quads, 16 bytes of [4 rows][4 k]. run is a constant in every call, and so are part and pair where
// runs are of 32 elements or blocks are. Otherwise they are numbers of a loop; where unrolls() is
// defined, constants again in products with one token.
//
//   S: `this` is a block of a packed group, four rows wide (pack.ts)
//   lead(), head(), words(), tail()   8-, 16- and 32-bit fields before the codes, 16-bit fields behind,
//                                  which are packed behind the head
//   parts()                        how many times C's codes, of a part then, lie behind one another
//   kind()                         what is behind a part's scale (gemm/integers.ts)
//   d(), m()                       what all scales of the block have in common, and all seconds
//   scales(part), seconds(part)    own ones as they are stored: four parts' where these are constants
//   scale(d, scales, part)         a part's scale
//   second(m, seconds, part)       its offset, or the scale or the offset of its second 16 elements
//   more(m, part)                  how much larger the offset of its first 16 elements is
//   weight(part, run)              i32 [4 rows], by which codes of a run count, those of 16 elements:
//                                  whole numbers, so that a part has one scale
//
//   C: `this` is where the group's codes lie
//   elements(), words()            of a block, 32 a part where that is not said, and 32-bit fields
//   bias()                         what codes, signed bytes then, are too large by: 0, 2, 4, 8 ..
//                                  By default codes of 8 bits are signed, others are not and have
//                                  their zero in the middle, unless there are offsets
//   run()                          elements of a run, 16 or 32: by default half of a part, or one
//                                  where C says how many elements there are
//   unrolls()                      eight parts that take time to tell apart
//   shared()                       what all quads of the block are made of
//   bytes(pair, i)                 what quads i of a pair's runs are both made of
//   bits(shared, pair, i)          and what else
//   quad(bytes, bits, pair, run, i)   quad i of a run: by default nibbles of bytes, low then high
//   code(..), zero()               the same without a sign, and what it is too large by then, for
//                                  products of eight bits: by default quads and their bias
//   eights()                       whether codes take all 8 bits: those of quads then, a bit of them
//                                  as the engine has it (eight-bits.ts)
//   most()                         the largest of codes, where they are not as many bits as are stored
//   order()                        runs of words in the order in which they are read (pack.ts)
//   turned()                       words in front that are a bit an element, of a part
//   unrollsQuads()                 four quads a run, which take time to tell apart
//   quads()                        of a run that the same bytes and bits make: 1 by default, or 2,
//                                  where quads i + 1 are asked for as those of runs 2 and 3
import { flip, flippedZero } from '../eight-bits';
import { WEIGHED } from '../gemm/bytes';
import { OFFSETS } from '../gemm/integers';
import { dotBytes, dotNibbles, dotQuad, nibbles } from './unpack';

/** The block of a type; `this` is one of a packed group. */
@unmanaged
export class Block<S, C> {

  @inline
  front(): S {
    return changetype<S>(changetype<usize>(this));
  }


  @inline
  codes(): C {
    const s = this.front();
    const words = isDefined(s.words) ? s.words() : 0;
    const bytes = this.lead() + 2 * (this.head() + this.tail()) + 4 * words;
    return changetype<C>(changetype<usize>(this) + 4 * <usize>bytes);
  }


  @inline
  parts(): i32 {
    const s = this.front();
    return isDefined(s.parts) ? s.parts() : 1;
  }


  @inline
  elements(): i32 {
    const c = this.codes();
    return isDefined(c.elements) ? c.elements() : 32 * this.parts();
  }


  @inline
  lead(): i32 {
    const s = this.front();
    return isDefined(s.lead) ? s.lead() : 0;
  }


  @inline
  head(): i32 {
    const s = this.front();
    return isDefined(s.head) ? s.head() : 0;
  }


  @inline
  words(): i32 {
    const s = this.front();
    return this.parts() * this.codes().words() + (isDefined(s.words) ? s.words() : 0);
  }


  @inline
  tail(): i32 {
    const s = this.front();
    return isDefined(s.tail) ? s.tail() : 0;
  }


  @inline
  kind(): i32 {
    return this.front().kind();
  }


  @inline
  d(): v128 {
    const s = this.front();
    return isDefined(s.d) ? s.d() : i32x4.splat(0);
  }


  @inline
  m(): v128 {
    const s = this.front();
    return isDefined(s.m) ? s.m() : i32x4.splat(0);
  }


  @inline
  scales(part: i32): v128 {
    const s = this.front();
    return isDefined(s.scales) ? s.scales(part) : i32x4.splat(0);
  }


  @inline
  seconds(part: i32): v128 {
    const s = this.front();
    return isDefined(s.seconds) ? s.seconds(part) : i32x4.splat(0);
  }


  @inline
  scale(d: v128, scales: v128, part: i32): v128 {
    return this.front().scale(d, scales, part);
  }


  @inline
  second(m: v128, seconds: v128, part: i32): v128 {
    const s = this.front();
    return isDefined(s.second) ? s.second(m, seconds, part) : i32x4.splat(0);
  }


  @inline
  more(m: v128, part: i32): v128 {
    const s = this.front();
    return isDefined(s.more) ? s.more(m, part) : i32x4.splat(0);
  }


  @inline
  weighs(): bool {
    return isDefined(this.front().weight);
  }


  @inline
  weight(part: i32, run: i32): v128 {
    const s = this.front();
    return isDefined(s.weight) ? s.weight(part, run) : i32x4.splat(1);
  }


  @inline
  codeBits(): i32 {
    return (32 * this.parts() * this.codes().words()) / this.elements();
  }


  @inline
  bias(): i32 {
    const c = this.codes();
    if (isDefined(c.bias)) return c.bias();
    return this.kind() == OFFSETS || this.codeBits() == 8 ? 0 : 1 << (this.codeBits() - 1);
  }


  @inline
  run(): i32 {
    const c = this.codes();
    return isDefined(c.run) ? c.run() : isDefined(c.elements) ? 32 : 16;
  }


  @inline
  shared(): v128 {
    const c = this.codes();
    return isDefined(c.shared) ? c.shared() : i32x4.splat(0);
  }


  @inline
  bytes(pair: i32, i: usize): v128 {
    const c = this.codes();
    return isDefined(c.bytes) ? c.bytes(pair, i) : i32x4.splat(0);
  }


  @inline
  bits(shared: v128, pair: i32, i: usize): v128 {
    const c = this.codes();
    return isDefined(c.bits) ? c.bits(shared, pair, i) : i32x4.splat(0);
  }


  @inline
  quad(bytes: v128, bits: v128, pair: i32, run: i32, i: usize): v128 {
    const c = this.codes();
    return isDefined(c.quad) ? c.quad(bytes, bits, pair, run, i) : nibbles(bytes, run);
  }


  @inline
  isEight(): bool {
    const c = this.codes();
    return isDefined(c.eights) ? c.eights() : this.codeBits() == 8;
  }

  /** The largest of codes. */
  @inline
  most(): i32 {
    const c = this.codes();
    if (this.isEight()) return 255;
    if (isDefined(c.most)) return c.most();
    return isDefined(c.code) ? 127 : (1 << this.codeBits()) - 1;
  }

  /** Words of a block whose bits are turned when it is packed (turnBits() of unpack.ts). */
  @inline
  turned(): i32 {
    const c = this.codes();
    return isDefined(c.turned) ? this.parts() * c.turned() : 0;
  }


  @inline
  order(): usize {
    const c = this.codes();
    return isDefined(c.order) ? c.order() : 0;
  }


  @inline
  code(bytes: v128, bits: v128, pair: i32, run: i32, i: usize): v128 {
    const c = this.codes();
    if (this.isEight()) return flip(this.quad(bytes, bits, pair, run, i));
    if (isDefined(c.code)) return c.code(bytes, bits, pair, run, i);
    return this.quad(bytes, bits, pair, run, i);
  }


  @inline
  zero(): i32 {
    const c = this.codes();
    if (this.isEight()) return flippedZero();
    return isDefined(c.zero) ? c.zero() : this.bias();
  }

  /** kind(), and whether runs are weighed. */
  @inline
  narrowKind(): i32 {
    return this.weighs() ? this.kind() | WEIGHED : this.kind();
  }


  @inline
  quads(): usize {
    const c = this.codes();
    return isDefined(c.quads) ? c.quads() : 1;
  }

  /** sums + products of a quad with four activations at x. */
  @inline
  add(sums: v128, bytes: v128, bits: v128, pair: i32, run: i32, i: usize, x: usize): v128 {
    const c = this.codes();
    if (!isDefined(c.quad)) return dotNibbles(sums, bytes, run, x);
    const quad = this.quad(bytes, bits, pair, run, i);
    return isDefined(c.bias) || this.codeBits() == 8
      ? dotQuad(sums, quad, x)
      : dotBytes(sums, quad, x);
  }
}
