// Q8_0 weights, 8.5 bits each. Block of 32: f16 d, 32 i8; value = d * q.
// Group: per block 4 d | 8 x [4 rows][4 k] i8
import { Block } from './block';
import { Bytes } from './codes';
import { Scale } from './scales';

export type Q8_0 = Block<Scale, Bytes>;
