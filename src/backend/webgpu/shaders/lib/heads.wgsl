// A part's notes (rows.ts), bound as `notes`: tokens | state | heads | positions. A shader's Params
// have `rows`, those of the part, and `head`, the first of the heads at hand.
fn token_at(row: u32) -> u32 { return row; }
fn state_at(row: u32) -> u32 { return p.rows + row; }
fn head_at(h: u32) -> u32 { return 2 * p.rows + 4 * (p.head + h); }

fn start_of(h: u32) -> u32 { return notes[head_at(h)]; }
fn length_of(h: u32) -> u32 { return notes[head_at(h) + 1]; }
fn kept_of(h: u32) -> u32 { return notes[head_at(h) + 2]; }

// How many of the first `count` rows of a head have tokens before one: tokens ascend.
fn rows_before(h: u32, count: u32, token: u32) -> u32 {
  let start = start_of(h);
  var low = 0u;
  var high = count;
  while (low < high) {
    let middle = (low + high) / 2;
    if (notes[token_at(start + middle)] < token) { low = middle + 1; } else { high = middle; }
  }
  return low;
}
