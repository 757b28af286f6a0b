// Scores of the heads at hand, in the work buffer: a row's number lies where the row does in its
// range (rows.ts). A shader's Params have `heads` of them, the range's `first` row, and how many
// rows at a head's end are `unseen`, and shown but `unscored`.
fn shown(h: u32) -> u32 { return length_of(h) - min(p.unseen, length_of(h)); }

// Rows at the end of each head that have no score: as many as every head has.
fn left_out() -> u32 {
  var count = p.unscored;
  if (count > 0) {
    for (var h = 0u; h < p.heads; h++) { count = min(count, shown(h)); }
  }
  return count;
}
fn scored(h: u32) -> u32 { return shown(h) - left_out(); }
fn place_of(h: u32) -> u32 { return start_of(h) - p.first; }
