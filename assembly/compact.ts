// Rows moved towards the front, in place and in order.

/**
 * rows[i] = rows[kept[i]] for i < count; kept ascends, so no row is overwritten before it has
 * moved. Neighbours move together. rows [*] of row_bytes, in place | kept i32 [count]
 */
export function compact_rows(rows: usize, kept: usize, count: i32, row_bytes: i32): void {
  let i = 0;
  while (i < count) {
    const from = load<i32>(kept + ((<usize>i) << 2));
    let run = 1;
    while (i + run < count && load<i32>(kept + ((<usize>(i + run)) << 2)) == from + run) run++;
    if (from != i)
      memory.copy(
        rows + <usize>i * row_bytes,
        rows + <usize>from * row_bytes,
        <usize>run * row_bytes,
      );
    i += run;
  }
}
