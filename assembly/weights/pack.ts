// How weights lie in memory: rows in groups of four, and inside a group the rows' blocks
// interleaved by 32-bit words (16-bit scales by halves, 8-bit ones by bytes), so that one v128 holds four rows at the
// same k and a product needs no horizontal sum. The bytes are the file's, their order is ours:
//
//   file    row 0: [d|w0 w1 ... w7] [d|w0 ...]  row 1: [d|w0 ...]
//           (Q8_0: d an f16 scale, w a word of four i8)
//   memory  group: [d d d d | w0 w0 w0 w0 | w1 w1 w1 w1 | ... ] [d d d d | ...
//                   row 0 1 2 3
//
// Words that are a bit an element are turned (unpack.ts), so that a quad's bits need no spreading.
//
// What is read first lies in front: scales behind a block's codes come before them, and a type may have
// its words in another order. Processors fetch ahead along addresses that ascend: Q6_K in the file's
// order is read at 11 GB/s where memory gives 28 (docs/log.md, 'Fetched ahead').
//
// A group has as many bytes before as behind, so it is packed where it lies: a file is read to
// where its weights will be, and nothing of it is in memory twice.
import { weightType } from './table';
import { turnBits } from './unpack';

/** Rows of a group. */
export const GROUP_ROWS: i32 = 4;

/**
 * Packs `rows` rows of k elements, the last of which may be a group of fewer: rows that are missing become
 * zeros. A block of the file is `lead` bytes, `head` halves, `words` 32-bit words and `tail` halves, as in
 * the table of types; a packed one has its tail in front of the words, and those in `order`.
 * rows [rows, k] row after row, then groups, whole ones | scratch a group of k elements
 */
export function pack_rows(at: usize, scratch: usize, rows: i32, k: i32, type: i32): void {
  const t = weightType(type);
  const row_bytes = t.rowBytes(k);
  // blocks of nothing but halves, or words, are one that is longer
  const plain = t.lead == 0 && t.tail == 0 && (t.head == 0 || t.words == 0);
  const times = plain ? k / t.elements : 1;
  const blocks = k / t.elements / times;
  const group_bytes = <usize>GROUP_ROWS * row_bytes;
  for (let r = 0; r < rows; r += GROUP_ROWS, at += group_bytes) {
    const there = <usize>min(GROUP_ROWS, rows - r) * row_bytes;
    memory.copy(scratch, at, there);
    if (there < group_bytes) memory.fill(scratch + there, 0, group_bytes - there);
    let from = scratch;
    let to = at;
    for (let b = 0; b < blocks; b++) {
      const lead = bytes(to, from, row_bytes, t.lead);
      const head = halves(to + 4 * lead, from + lead, row_bytes, t.head * times) + lead;
      const behind = from + head + ((<usize>(t.words * times)) << 2);
      const front = halves(to + 4 * head, behind, row_bytes, t.tail) + head;
      const bits = to + 4 * front;
      if (t.order == 0) words(bits, from + head, row_bytes, t.words * times);
      else inOrder(bits, from + head, row_bytes, t.order, t.words);
      for (let i: usize = 0; i < <usize>t.turned; i++)
        v128.store(bits + (i << 4), turnBits(v128.load(bits + (i << 4))));
      const block = front + ((<usize>(t.words * times)) << 2);
      from += block;
      to += 4 * block;
    }
  }
}

// Fields of one size, `count` of each row, four rows of `row_bytes` each: all that a row has of
// them is told, in bytes.

@inline
function bytes(to: usize, from: usize, row_bytes: usize, count: i32): usize {
  for (let i: usize = 0; i < <usize>count; i++)
    for (let r: usize = 0; r < <usize>GROUP_ROWS; r++)
      store<u8>(to + 4 * i + r, load<u8>(from + i + r * row_bytes));
  return <usize>count;
}

/** `count` words in runs, of which each is told as i32 [2]: its first word, and how many there are. */
@inline
function inOrder(to: usize, from: usize, row_bytes: usize, order: usize, count: i32): void {
  for (const end = to + ((<usize>count) << 4); to < end; order += 8) {
    const first = from + ((<usize>load<i32>(order)) << 2);
    to += words(to, first, row_bytes, load<i32>(order, 4)) << 2;
  }
}

/** Eight of each row at a time, the last ones once more where they are no eight. */
@inline
function halves(to: usize, from: usize, row_bytes: usize, count: i32): usize {
  if (count >= 8)
    for (let i = 0; i < count; i += 8) {
      const j = (<usize>min(i, count - 8)) << 1;
      const a = v128.load(from + j);
      const b = v128.load(from + j + row_bytes);
      const c = v128.load(from + j + 2 * row_bytes);
      const d = v128.load(from + j + 3 * row_bytes);
      const ab = i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      const cd = i16x8.shuffle(c, d, 0, 8, 1, 9, 2, 10, 3, 11);
      const more_ab = i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
      const more_cd = i16x8.shuffle(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
      const out = to + 4 * j;
      v128.store(out, i32x4.shuffle(ab, cd, 0, 4, 1, 5), 0);
      v128.store(out, i32x4.shuffle(ab, cd, 2, 6, 3, 7), 16);
      v128.store(out, i32x4.shuffle(more_ab, more_cd, 0, 4, 1, 5), 32);
      v128.store(out, i32x4.shuffle(more_ab, more_cd, 2, 6, 3, 7), 48);
    }
  else
    for (let i = 0; i < count; i++) {
      const at = from + ((<usize>i) << 1);
      let four = (<u64>load<u16>(at)) | ((<u64>load<u16>(at + row_bytes)) << 16);
      four |= (<u64>load<u16>(at + 2 * row_bytes)) << 32;
      four |= (<u64>load<u16>(at + 3 * row_bytes)) << 48;
      store<u64>(to + ((<usize>i) << 3), four);
    }
  return (<usize>count) << 1;
}

/** Four of each row at a time, the last ones once more where they are no four. */
@inline
function words(to: usize, from: usize, row_bytes: usize, count: i32): usize {
  if (count >= 4)
    for (let i = 0; i < count; i += 4) {
      const j = (<usize>min(i, count - 4)) << 2;
      const a = v128.load(from + j);
      const b = v128.load(from + j + row_bytes);
      const c = v128.load(from + j + 2 * row_bytes);
      const d = v128.load(from + j + 3 * row_bytes);
      const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const more_ab = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const more_cd = i32x4.shuffle(c, d, 2, 6, 3, 7);
      const out = to + 4 * j;
      v128.store(out, i64x2.shuffle(ab, cd, 0, 2), 0);
      v128.store(out, i64x2.shuffle(ab, cd, 1, 3), 16);
      v128.store(out, i64x2.shuffle(more_ab, more_cd, 0, 2), 32);
      v128.store(out, i64x2.shuffle(more_ab, more_cd, 1, 3), 48);
    }
  else
    for (let i = 0; i < count; i++) {
      const at = from + ((<usize>i) << 2);
      const out = to + ((<usize>i) << 4);
      for (let r: usize = 0; r < <usize>GROUP_ROWS; r++)
        store<u32>(out + (r << 2), load<u32>(at + r * row_bytes));
    }
  return (<usize>count) << 2;
}
