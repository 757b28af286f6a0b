// What the kernels can do at most, and so the reference, which they are held against.
import type { Backend, BackendLimits } from '../backend.ts';
import { isQuantized, MOST_VALUE_COLUMNS, QUANTIZED_MULTIPLE } from '../dtype.ts';

/**
 * Scratch sizes of assembly/ (observe_scratch, defensive_scratch, expect_scratch) are i32 bytes,
 * and must have room beside queries for tiles of keys.
 */
const MOST_OBSERVER_NUMBERS = 2 ** 28;

export const limits: BackendLimits = {
  observerNumbers: MOST_OBSERVER_NUMBERS,
  valueColumns: MOST_VALUE_COLUMNS,
  quantizedMultiple: QUANTIZED_MULTIPLE,
  groupsRows: true,
  headDim: Number.POSITIVE_INFINITY,
  turns: 'shifts',
  growBytes: 1,
};

/** Rotating by Walsh-Hadamard takes whole groups of dimensions. */
export const supportsRows: Backend['supportsRows'] = (type, headDim) =>
  !isQuantized(type) || headDim % QUANTIZED_MULTIPLE === 0;
