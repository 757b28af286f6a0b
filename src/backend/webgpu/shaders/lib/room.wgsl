// How many rows a head can still take: Params have `last`, the number in the part of the last head
// of the range, and `end`, the row that the range ends at.
// uses: lib/heads
fn room_of(h: u32) -> u32 {
  var end = p.end;
  if (p.head + h < p.last) { end = start_of(h + 1); }
  return end - start_of(h) - length_of(h);
}
