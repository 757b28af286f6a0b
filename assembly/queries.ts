// Queries as kernels want them: those of one kv head together, scaled, rotated where the rows they
// meet are.
import { rotateRow } from './quant';
import { isRotated } from './rows';

/**
 * Queries [T, G, d] ldq of one kv head, scaled by 1 / sqrt(d), rotated where the rows they meet
 * are, as rows t * G + g of f32 [T * G, d].
 */
@inline
export function gatherQueries(
  dst: usize,
  q: usize,
  T: i32,
  G: i32,
  d: i32,
  ldq: i32,
  type: i32,
): void {
  const scale = <f32>1 / sqrt<f32>(<f32>d);
  for (let t = 0; t < T; t++, q += (<usize>ldq) << 2) {
    for (let j: usize = 0; j < (<usize>(G * d)) << 2; j += 4)
      store<f32>(dst + j, load<f32>(q + j) * scale);
    if (isRotated(type)) for (let g = 0; g < G; g++) rotateRow(dst + ((<usize>(g * d)) << 2), d);
    dst += (<usize>(G * d)) << 2;
  }
}
