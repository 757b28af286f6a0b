// Layer-DefensiveKV (arXiv 2510.13334): DefensiveKV's scores, and one selection over the rows of
// all layers and heads. Where the published code selects once, after the whole prefill, this
// selects after each block, so that the cache never holds more than its bound.
import { defensivekv } from './defensivekv.ts';
import { definePolicy } from './define.ts';

export const layerDefensivekv = definePolicy({
  ...defensivekv,
  name: 'layer-defensivekv',
  summary: "defensivekv's worst case, the best rows whatever their layer and head",
  layers: 'global',
});
