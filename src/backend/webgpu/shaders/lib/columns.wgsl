// Words of a row, one in each column: its key | its value | token | state | position, where that is
// kept.
// uses: lib/row-type, lib/positions
fn column_count() -> u32 { return 2 * row_words() + 2 + u32(ROWS < 16); }

fn word_in(column: u32, row: u32) -> u32 {
  let words = row_words();
  if (column < words) { return keys[row * words + column]; }
  if (column < 2 * words) { return values[row * words + column - words]; }
  return notes[note_in(column - 2 * words, row)];
}
fn set_word(column: u32, row: u32, word: u32) {
  let words = row_words();
  if (column < words) {
    keys[row * words + column] = word;
  } else if (column < 2 * words) {
    values[row * words + column - words] = word;
  } else {
    notes[note_in(column - 2 * words, row)] = word;
  }
}
fn note_in(column: u32, row: u32) -> u32 {
  if (column == 0) { return token_at(row); }
  if (column == 1) { return state_at(row); }
  return position_at(row);
}

// Rows that a lane reads before it writes: their reads are under way together.
const BATCH: u32 = 8;

// Rows of head h that stay. More than there are: nothing was chosen, and all do.
fn stays(h: u32) -> u32 { return min(kept_of(h), length_of(h)); }
