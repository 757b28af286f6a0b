// What rows are made of. D: dimensions of a head; ROWS: bits of a number, of which 32 and 16 are
// floats, 8, 4 and 3 codes (row-codec.ts).
override D: u32;
override ROWS: u32;

// Words of a row, the last of which is a row's step and lowest number where it is of few bits.
fn row_words() -> u32 { return (D * ROWS + 31) / 32 + u32(ROWS < 16); }
