// How weights lie in memory: rows in groups of four, and inside a group the rows' blocks
// interleaved by 32-bit words (16-bit scales by halves), so that one v128 holds four rows at the
// same k and a product needs no horizontal sum. The bytes are the file's, their order is ours:
//
//   file    row 0: [d|w0 w1 ... w7] [d|w0 ...]  row 1: [d|w0 ...]
//           (Q8_0: d an f16 scale, w a word of four i8)
//   memory  group: [d d d d | w0 w0 w0 w0 | w1 w1 w1 w1 | ... ] [d d d d | ...
//                   row 0 1 2 3

/**
 * Packs `rows` (1 to 4) rows of `blocks` blocks into one group; missing rows become zeros.
 * A block is `head` halves, `words` 32-bit words and `tail` halves, as in the dtype table.
 * dst 4 * blocks * block bytes | src [rows] row after row
 */
export function pack_group(
  dst: usize,
  src: usize,
  rows: i32,
  blocks: i32,
  head: i32,
  words: i32,
  tail: i32,
): void {
  const block_bytes = <usize>(2 * head + 4 * words + 2 * tail);
  const row_bytes = block_bytes * <usize>blocks;
  if (rows < 4) memory.fill(dst, 0, 4 * row_bytes);
  for (let r = 0; r < rows; r++) {
    let from = src + <usize>r * row_bytes;
    let to = dst;
    for (let b = 0; b < blocks; b++) {
      for (let i = 0; i < head; i++, from += 2, to += 8)
        store<u16>(to + ((<usize>r) << 1), load<u16>(from));
      for (let i = 0; i < words; i++, from += 4, to += 16)
        store<u32>(to + ((<usize>r) << 2), load<u32>(from));
      for (let i = 0; i < tail; i++, from += 2, to += 8)
        store<u16>(to + ((<usize>r) << 1), load<u16>(from));
    }
  }
}

/**
 * Activations for the integer gemv: blocks of 32 as i16 with an f32 scale, and scale * sum for the
 * types with an offset. A block's largest magnitude becomes 32767, so the error is below 2^-16 of
 * it; 32 products with i8 stay below 2^31. Four neighbours are stored as 0 2 1 3: weights' bytes
 * are taken apart by shifts of 16-bit lanes, even ones first (weights/unpack.ts). q i16 [k] |
 * scales f32 [k / 32] | sums f32 [k / 32] | x f32 [k], k % 32 == 0
 */
export function quantize_i16(q: usize, scales: usize, sums: usize, x: usize, k: i32): void {
  const blocks = k >> 5;
  for (let b = 0; b < blocks; b++) {
    let peak = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 16) peak = f32x4.pmax(peak, f32x4.abs(v128.load(x + i)));
    let largest = max(
      max(f32x4.extract_lane(peak, 0), f32x4.extract_lane(peak, 1)),
      max(f32x4.extract_lane(peak, 2), f32x4.extract_lane(peak, 3)),
    );
    const inverse: f32 = largest > 0 ? <f32>32767 / largest : 0;
    const by = f32x4.splat(inverse);
    let total = i32x4.splat(0);
    for (let i: usize = 0; i < 64; i += 16) {
      const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 2 * i), by)));
      const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + 2 * i, 16), by)));
      total = i32x4.add(total, i32x4.add(low, high));
      const narrow = i16x8.narrow_i32x4_s(low, high);
      v128.store(q + i, i16x8.shuffle(narrow, narrow, 0, 2, 1, 3, 4, 6, 5, 7));
    }
    const scale = largest / 32767;
    const sum =
      i32x4.extract_lane(total, 0) +
      i32x4.extract_lane(total, 1) +
      i32x4.extract_lane(total, 2) +
      i32x4.extract_lane(total, 3);
    store<f32>(scales, scale);
    store<f32>(sums, scale * <f32>sum);
    q += 64;
    x += 128;
    scales += 4;
    sums += 4;
  }
}
