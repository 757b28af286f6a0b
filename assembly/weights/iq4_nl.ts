// IQ4_NL weights, 4.5 bits each. Block of 32: f16 d; 16 bytes, low nibbles k 0..15, high k 16..31;
// value = d * VALUES[q]. Group: per block 4 d | 4 x [4 rows][4 bytes]
import { Block } from './block';
import { Chosen } from './codes';
import { Scale } from './scales';

export type IQ4_NL = Block<Scale, Chosen<NonLinear>>;

const VALUES: usize = memory.data<i8>(
  [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113],
  16,
);

/** Steps that widen with the magnitude. */
@unmanaged
export class NonLinear {

  @inline
  values(): v128 {
    return v128.load(VALUES);
  }

  /** They take all eight bits. */
  @inline
  zero(): i32 {
    return 0;
  }


  @inline
  codes(): v128 {
    return this.values();
  }
}
