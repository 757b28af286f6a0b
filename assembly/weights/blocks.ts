// Everything that is done with blocks of codes, each loop once: a type describes its blocks
// (block.ts), and the compiler makes a copy of the loops for it, with the description inlined.
import { storeGroup } from '../gemm/floats';
import { Multiply } from './multiply';
import { partOf } from './pairs';
import { Panel } from './panel';
import { Widen } from './widen';

/** Bytes of a group's block: four rows of them. */
@inline
function groupBytes<B>(): usize {
  const block = changetype<B>(0);
  const halves = block.head() + block.tail();
  return 4 * <usize>(block.lead() + 2 * halves + 4 * block.words());
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

/** A type's UnpackCodes (gemm/integers.ts), to a panel that To describes (panel.ts). */
export function unpackCodes<B, To>(dst: usize, src: usize, k0: i32, count: i32): void {
  spread<B, Panel<B, To>>(dst, src, k0, count);
}

/**
 * y[m] = sum_k x[k] W[m, k], part after part as gemm() adds them. y f32 [m] | x rounded as X says
 * (multiply.ts) [k] | w packed [m, k]
 */
export function gemvBlocks<B, X>(y: usize, x: usize, w: usize, m: i32, k: i32): void {
  const end = x + <usize>(k / 32) * changetype<X>(0).block();
  for (let row = 0; row < m; row += 4) {
    let sums = f32x4.splat(0);
    for (let q = x; q < end; q += changetype<Multiply<B, X>>(0).step(), w += groupBytes<B>())
      sums = eachPair<B, Multiply<B, X>>(sums, q, changetype<B>(w));
    storeGroup(y + ((<usize>row) << 2), sums, m - row);
  }
}
