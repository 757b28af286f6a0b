// How sums of products of bytes are made (bytes.ts, and products with one token in weights/).
import { dotPairs, dotQuads } from '../eight-bits';

/** How sums are made: of four products; of two in 16 bits, a run at a time; of two, widened at once. */
export const QUADS: i32 = 0;
export const RUNS: i32 = 1;
export const PAIRS: i32 = 2;


@unmanaged
export class Quads {

  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return dotQuads(sum, x, w);
  }


  @inline
  whole(sum: v128): v128 {
    return sum;
  }
}

/** 8 times two products of codes up to 15 with i8 fit in 16 bits. */
@unmanaged
export class Runs {

  @inline
  late(): bool {
    return true;
  }


  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return i16x8.add(sum, dotPairs(x, w));
  }


  @inline
  whole(sum: v128): v128 {
    return i32x4.extadd_pairwise_i16x8_s(sum);
  }
}


@unmanaged
export class Pairs {

  @inline
  add(sum: v128, x: v128, w: v128): v128 {
    return i32x4.add(sum, i32x4.extadd_pairwise_i16x8_s(dotPairs(x, w)));
  }


  @inline
  whole(sum: v128): v128 {
    return sum;
  }
}
