// Where the runs of a pair belong, and what scales them. B is a Block (block.ts).

/** The part that a run belongs to. */
@inline
export function partOf<B>(pair: i32, run: i32): i32 {
  return changetype<B>(0).run() == 16 ? pair : 2 * pair + run;
}

/** What lies between the runs of a pair, where a part takes `part` bytes and half of one `half`. */
@inline
export function between<B>(part: usize, half: usize): usize {
  return changetype<B>(0).run() == 16 ? half : part;
}

/** Scales of a pair's runs, and their seconds; d, m, t, u as in onePair(). */
@inline
export function scaleOf<B>(b: B, d: v128, t: v128, pair: i32, run: i32): v128 {
  return b.scale(d, t, partOf<B>(pair, run));
}


@inline
export function secondOf<B>(b: B, m: v128, u: v128, pair: i32, run: i32): v128 {
  return b.second(m, u, partOf<B>(pair, run));
}
