// Positions of keys of few bits among a part's notes, behind its heads: Params have `all_heads`,
// those of the part.
// uses: lib/heads
fn position_at(row: u32) -> u32 { return 2 * p.rows + 4 * p.all_heads + row; }
