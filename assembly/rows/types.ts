// Types of cached rows as kernels are told of them, one number each. They stand in stored caches, so
// they stay what they are.

/** Plain numbers. */
export const ROWS_F32: i32 = 0;
export const ROWS_F16: i32 = 1;
/** From here on, and below GROUPED, rows are rotated, and a type is the bits of a code. */
export const ROTATED: i32 = 3;
/** Flags of rows as KIVI keeps them: keys that share grids, and values; keys of mixed widths. */
export const GROUPED: i32 = 32;
export const BY_ROW: i32 = 64;
export const MIXED: i32 = 128;
/** Below the flags: the bits of a code, or, mixed, twice those of the average code. */
export const WIDTH: i32 = 31;
