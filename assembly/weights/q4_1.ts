// Q4_1 weights, 5.0 bits each. Block of 32: f16 d, m; 16 bytes, low nibbles k 0..15, high k 16..31;
// value = d * q + m. Group: per block 4 d | 4 m | 4 x [4 rows][4 bytes]
import { Block } from './block';
import { Nibbles } from './codes';
import { ScaleOffset } from './scales';

export type Q4_1 = Block<ScaleOffset, Nibbles>;
