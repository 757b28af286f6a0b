// Codes of mixed widths as bytes. A grid's widths say where each code lies; written down once for
// all rows of the grid, that takes eight codes out of a row at a time:
//
//   eight channels: [first byte i32, of 16 that hold their codes | pad to 16 | numbers of the two
//   bytes that hold each code, u8 [8, 2] | where it lies in them, a mask u16 [8] | what brings it
//   to bit 8, a factor u16 [8]]
import { unpackMixed } from '../rows/kivi';
import { choose } from '../simd';

/** Bytes of a plan of d channels. */
@inline
export function planBytes(d: i32): usize {
  return (<usize>d) << 3;
}

/** Whether rows are long enough to be read 16 bytes at a time. */
@inline
function isPlanned(bytes: usize): bool {
  return bytes >= 16;
}

/** Writes a plan: plan [planBytes(d)] | widths u8 [d] | bytes of a row */
export function planMixed(plan: usize, widths: usize, bytes: usize, d: i32): void {
  if (!isPlanned(bytes)) return;
  let bit: u32 = 0;
  for (let j: usize = 0; j < <usize>d; j += 8, plan += 64) {
    const first = min(bit >> 3, <u32>bytes - 16);
    store<u32>(plan, first);
    for (let c: usize = 0; c < 8; c++) {
      const width = <u32>load<u8>(widths + j + c);
      const from = bit - 8 * first;
      store<u8>(plan + 16 + 2 * c, from >> 3);
      store<u8>(plan + 17 + 2 * c, (from >> 3) + 1);
      store<u16>(plan + 32 + 2 * c, <u16>((((<u32>1) << width) - 1) << (from & 7)));
      store<u16>(plan + 48 + 2 * c, <u16>((<u32>256) >> (from & 7)));
      bit += width;
    }
  }
}

/** dst u8 [d] = codes of a row of `bytes` bytes | plan of its grid | widths u8 [d] */
export function unpackPlanned(
  dst: usize,
  src: usize,
  plan: usize,
  widths: usize,
  bytes: usize,
  d: i32,
): void {
  if (!isPlanned(bytes)) {
    unpackMixed<u8>(dst, src, widths, d);
    return;
  }
  for (const end = dst + <usize>d; dst < end; dst += 8, plan += 64) {
    const both = choose(v128.load(src + <usize>load<u32>(plan)), v128.load(plan, 16));
    const own = i16x8.mul(v128.and(both, v128.load(plan, 32)), v128.load(plan, 48));
    const codes = i16x8.shr_u(own, 8);
    v128.store64_lane(dst, i8x16.narrow_i16x8_u(codes, codes), 0);
  }
}
