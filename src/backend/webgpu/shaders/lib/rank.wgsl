// The order of scores as whole numbers, a greater one for a better score: NaN counts as -infinity,
// -0 as 0.
const WORST: u32 = 0x007fffff; // that of -infinity
fn rank_of(bits: u32) -> u32 {
  if ((bits & 0x7fffffff) > 0x7f800000) { return WORST; }
  if ((bits & 0x7fffffff) == 0) { return 0x80000000; }
  return select(~bits, bits | 0x80000000, bits < 0x80000000);
}
// The number that has a rank, by its bits.
fn bits_of(rank: u32) -> u32 { return select(~rank, rank & 0x7fffffff, rank >= 0x80000000); }
