// How weights lie in memory: rows in groups of four, and inside a group the rows' blocks
// interleaved by 32-bit words (16-bit scales by halves, 8-bit ones by bytes), so that one v128 holds four rows at the
// same k and a product needs no horizontal sum. The bytes are the file's, their order is ours:
//
//   file    row 0: [d|w0 w1 ... w7] [d|w0 ...]  row 1: [d|w0 ...]
//           (Q8_0: d an f16 scale, w a word of four i8)
//   memory  group: [d d d d | w0 w0 w0 w0 | w1 w1 w1 w1 | ... ] [d d d d | ...
//                   row 0 1 2 3
import { weightType } from './table';

/** Rows of a group. */
export const GROUP_ROWS: i32 = 4;

/**
 * Packs `rows` (1 to GROUP_ROWS) rows of k elements into one group; missing rows become zeros. A block is
 * `lead` bytes, `head` halves, `words` 32-bit words and `tail` halves, as in the table of types.
 * dst 4 rows of k elements | src [rows] row after row
 */
export function pack_group(dst: usize, src: usize, rows: i32, k: i32, type: i32): void {
  const t = weightType(type);
  const blocks = k / t.elements;
  const row_bytes = t.rowBytes(k);
  if (rows < GROUP_ROWS) memory.fill(dst, 0, <usize>GROUP_ROWS * row_bytes);
  for (let r = 0; r < rows; r++) {
    let from = src + <usize>r * row_bytes;
    let to = dst;
    for (let b = 0; b < blocks; b++) {
      for (let i = 0; i < t.lead; i++, from += 1, to += 4) store<u8>(to + <usize>r, load<u8>(from));
      for (let i = 0; i < t.head; i++, from += 2, to += 8)
        store<u16>(to + ((<usize>r) << 1), load<u16>(from));
      for (let i = 0; i < t.words; i++, from += 4, to += 16)
        store<u32>(to + ((<usize>r) << 2), load<u32>(from));
      for (let i = 0; i < t.tail; i++, from += 2, to += 8)
        store<u16>(to + ((<usize>r) << 1), load<u16>(from));
    }
  }
}
