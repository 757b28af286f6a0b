// Q5_K weights, 5.5 bits each. Block of 256: f16 d, dmin; 12 bytes of 8 6-bit scales and mins
// (k-scales.ts); 32 bytes of fifth bits; 128 bytes, 64 elements each 32: low nibbles, then high;
// value = d * scale * q - dmin * min. Group: per block 4 d | 4 dmin | 3 x [4 rows][4 bytes] scales
// | 8 x [4 rows][4 bytes] fifth bits | 32 x [4 rows][4 bytes]
import { Block } from './block';
import { PairedFives } from './codes';
import { KScales } from './k-scales';

export type Q5_K = Block<KScales, PairedFives>;
