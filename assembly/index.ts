// The module's exports, a line a file.
export { tileRows as tile_rows } from './gemm/tile';
export { abs_sums, abs_sums_scratch, gather, gemm, gemm_scratch, gemv } from './gemm/products';
export { linear_gradient, linear_gradient_scratch } from './gemm/input-gradient';
export {
  linear_gradient_rounded,
  round_gradient,
  rounded_gradient_scratch,
} from './gemm/rounded-gradient';
export {
  bias_gradient,
  embedding_gradient,
  weight_gradient,
  weight_gradient_scratch,
} from './gemm/weight-gradient';
export { input_bytes, round_input, rounded_bytes } from './gemm/rounded';
export { eight_bits, use_eight_bits, NONE, SEVENS, SIGNED, UNSIGNED } from './eight-bits';
export { grid, grids } from './weights/grids';
export { pack_rows } from './weights/pack';
export { input_format, weight_type, weight_types } from './weights/table';
export { gated_norm, rms_norm, rms_norm_backward } from './norm';
export {
  add_rows,
  clamped_glu,
  gate_by_sigmoid,
  gated_backward,
  geglu,
  multiply_columns,
  multiply_rows,
  scale_rows,
  soft_cap,
  sparse_geglu,
  squared_relu,
  swiglu,
} from './glu';
export {
  activate_rows,
  add_chosen,
  affine_rows,
  gather_rows,
  group_choice,
  route,
} from './experts';
export { correct_streams, match_norms, predict_streams } from './streams';
export { rope, rope_shift } from './rope';
export { mean_direction, row_cosines, row_norms } from './row-norms';
export { rows_scratch, rows_store, rows_widen } from './rows/table';
export { kivi_gather, kivi_group } from './rows/kivi';
export { attention, attention_scratch } from './attention';
export {
  dense_attention,
  dense_attention_backward,
  dense_attention_backward_scratch,
  dense_attention_scratch,
  sum_shares,
} from './dense-attention';
export { recurrent_scratch } from './recurrent/chunk';
export { convolve, convolve_scratch } from './recurrent/convolve';
export { delta_net } from './recurrent/delta-net';
export { mamba2 } from './recurrent/mamba2';
export { cross_entropy, sum_squares } from './loss';
export { adamw } from './adamw';
export { average_pool, observe, observe_scratch, observe_sums } from './score';
export { defensive_scratch, observe_defensive } from './defensive';
export { expect, expect_scratch } from './expect';
export { top_k, top_k_scratch } from './select';
export { compact_rows } from './compact';
export { kmeans_assign, kmeans_scratch, kmeans_sum } from './kmeans';
export { logits_best, logits_sums, logits_within } from './logits';
export { channel_ranges, pack_channels, packing_scratch, unpack_channels } from './packing';
export { relaxed_simd } from './simd';

// numbers that TypeScript must know too (scripts/kernel-table.mjs)
export { DENSE_TILE } from './dense-attention';
export { BY_CHOSEN, BY_SIGMOID, BY_SOFTMAX } from './experts';
export { PANEL_K, PANEL_ROWS } from './gemm/floats';
export { CLAMPED, GELU, SILU } from './glu';
export { ABS_ROWS } from './gemm/products';
export { CODE_CHANNELS, TAIL_BYTES } from './rows/codes';
export { TILE } from './rows/table';
export { BY_ROW, GROUPED, MIXED, ROWS_F16, ROWS_F32 } from './rows/types';
export { GROUP_ROWS } from './weights/pack';
export { FLOATS } from './weights/table';
export { AS_IT_IS, EIGHT_BITS, EIGHT_BITS_WIDE, SIXTEEN_BITS } from './gemm/rounded';

/** First byte that the module does not use itself: where the arena begins. */
export const heap_base: usize = __heap_base;
