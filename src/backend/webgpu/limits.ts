// What the shaders can do at most.
import type { BackendLimits } from '../backend.ts';
import { QUANTIZED_MULTIPLE } from '../dtype.ts';
import { GROW_BYTES } from './heap.ts';

export const limits: BackendLimits = {
  // what does not fit into the work buffer is refused when it is reserved
  observerNumbers: Number.POSITIVE_INFINITY,
  valueColumns: Number.POSITIVE_INFINITY,
  quantizedMultiple: QUANTIZED_MULTIPLE,
  groupsRows: false,
  // queries and sums of so many lie in a workgroup's memory
  headDim: 512,
  turns: 'tables',
  growBytes: GROW_BYTES,
};
