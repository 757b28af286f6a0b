// Q5_0 weights, 5.5 bits each. Block of 32: f16 d; 32 fifth bits; 16 bytes, low nibbles k 0..15,
// high k 16..31; value = d * (q - 16). Group: per block 4 d | 4 words of fifth bits | 4 x [4
// rows][4 bytes]
import { Block } from './block';
import { Fives } from './codes';
import { Scale } from './scales';

export type Q5_0 = Block<Scale, Fives>;
