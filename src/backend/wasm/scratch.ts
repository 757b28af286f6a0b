// How much working memory the operations need.
import { ABS_ROWS } from '../../../build/generated/kernels.ts';
import type { ScratchShape } from '../backend.ts';
import { QUERY_ROWS } from './attention.ts';
import type { Kernels } from './core.ts';
import { denseScratch } from './dense-attention.ts';
import { NORM_PARTS } from './elements.ts';
import { layOutExperts } from './experts.ts';
import { SQUARE_PARTS } from './loss.ts';
import { ROUNDED_ROWS } from './product-gradients.ts';
import type { ScratchSize } from './schedule.ts';

/** Scratch for the largest operation of a shape. */
export function scratchOf(kernels: Kernels, shape: ScratchShape): ScratchSize {
  const { tokens, queryHeads, kvHeads, headDim, width, clusters = 0, training } = shape;
  const { recurrentKeys = 0, experts } = shape;
  const group = queryHeads / kvHeads;
  const learning = training ? trainingScratch(kernels, shape) : { common: 0, own: 0 };
  const line = (bytes: number) => Math.ceil(bytes / 64) * 64;
  return {
    common: line(
      Math.max(
        // rounded activations; or the sums of observers; or first rows of windows
        tokens * Math.max(kernels.rounded_bytes(width), 8 * queryHeads) + 64,
        experts ? layOutExperts(kernels, experts, tokens).bytes : 0,
        learning.common,
      ),
    ),
    own: line(
      Math.max(
        kernels.gemm_scratch(),
        kernels.convolve_scratch(),
        recurrentKeys > 0 ? kernels.recurrent_scratch(recurrentKeys) : 0,
        kernels.attention_scratch(Math.min(tokens, QUERY_ROWS), group, headDim),
        kernels.observe_scratch(tokens, group, headDim),
        kernels.defensive_scratch(tokens, group, headDim),
        kernels.expect_scratch(tokens, group, headDim),
        kernels.abs_sums_scratch() + ABS_ROWS * headDim * 4,
        kernels.rows_scratch(headDim) + headDim * 4,
        kernels.top_k_scratch(),
        clusters > 0 ? kernels.kmeans_scratch(clusters, width) : 0,
        learning.own,
      ),
    ),
  };
}

/** What gradients need. */
function trainingScratch(kernels: Kernels, shape: ScratchShape): ScratchSize {
  const dense = denseScratch(kernels, shape);
  const normBytes = NORM_PARTS * Math.max(shape.width, shape.headDim) * 4;
  return {
    // shares of keys and values; or parts of a norm's weights; or parts of squares; or rounded
    // gradients
    common: Math.max(
      dense.common,
      normBytes,
      SQUARE_PARTS * 8,
      shape.tokens * kernels.rounded_bytes(ROUNDED_ROWS),
    ),
    own: Math.max(
      dense.own,
      kernels.linear_gradient_scratch(),
      kernels.rounded_gradient_scratch(),
      kernels.weight_gradient_scratch(),
    ),
  };
}
