// The module's exports, a line a file.
export { abs_sums_scratch, gemm_scratch, tileRows as tile_rows } from './dense';
export { gemm_integer_scratch } from './integer';
export { pack_group, quantize_i16 } from './pack';
export { abs_sums_f32, gather_f32, gemm_f32, gemv_f32 } from './weights/f32';
export { abs_sums_f16, gather_f16, gemm_f16, gemv_f16 } from './weights/f16';
export { abs_sums_bf16, gather_bf16, gemm_bf16, gemv_bf16 } from './weights/bf16';
export { abs_sums_q8_0, gather_q8_0, gemm_q8_0, gemv_q8_0 } from './weights/q8_0';
export { abs_sums_q4_0, gather_q4_0, gemm_q4_0, gemv_q4_0 } from './weights/q4_0';
export { abs_sums_q4_1, gather_q4_1, gemm_q4_1, gemv_q4_1 } from './weights/q4_1';
export { abs_sums_q5_0, gather_q5_0, gemm_q5_0, gemv_q5_0 } from './weights/q5_0';
export { abs_sums_q5_1, gather_q5_1, gemm_q5_1, gemv_q5_1 } from './weights/q5_1';
export { abs_sums_q4_k, gather_q4_k, gemm_q4_k, gemv_q4_k } from './weights/q4_k';
export { abs_sums_q5_k, gather_q5_k, gemm_q5_k, gemv_q5_k } from './weights/q5_k';
export { abs_sums_q6_k, gather_q6_k, gemm_q6_k, gemv_q6_k } from './weights/q6_k';
export { rms_norm } from './norm';
export { add_rows, geglu, scale_rows, swiglu } from './glu';
export { rope, rope_shift } from './rope';
export {
  mean_direction,
  row_cosines,
  row_norms,
  rows_load,
  rows_scratch,
  rows_store,
} from './rows';
export { rows_unrotate } from './quant';
export { kivi_gather, kivi_group } from './kivi';
export { attention, attention_scratch } from './attention';
export { average_pool, observe, observe_scratch, observe_sums } from './score';
export { defensive_scratch, observe_defensive } from './defensive';
export { expect, expect_scratch } from './expect';
export { top_k, top_k_scratch } from './select';
export { compact_rows } from './compact';
export { kmeans_assign, kmeans_scratch, kmeans_sum } from './kmeans';
export { logits_best, logits_sums, logits_within } from './logits';
export { relaxed_simd } from './simd';

/** First byte that the module does not use itself: where the arena begins. */
export const heap_base: usize = __heap_base;
