// Q4_0 weights, 4.5 bits each. Block of 32: f16 d; 16 bytes, low nibbles k 0..15, high k 16..31;
// value = d * (q - 8). Group: per block 4 d | 4 x [4 rows][4 bytes]
import { Block } from './block';
import { Nibbles } from './codes';
import { Scale } from './scales';

export type Q4_0 = Block<Scale, Nibbles>;
