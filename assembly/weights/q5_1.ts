// Q5_1 weights, 6.0 bits each. Block of 32: f16 d, m; 32 fifth bits; 16 bytes, low nibbles k 0..15,
// high k 16..31; value = d * q + m. Group: per block 4 d | 4 m | 4 words of fifth bits | 4 x [4
// rows][4 bytes]
import { Block } from './block';
import { Fives } from './codes';
import { ScaleOffset } from './scales';

export type Q5_1 = Block<ScaleOffset, Fives>;
