// Queries as kernels want them: those of one kv head together, scaled, and as the rows they meet
// want them.
import { prepareQueries } from './rows/table';

/**
 * Queries [T, G, d] ldq of one kv head, scaled by 1 / sqrt(d), made for the rows they
 * meet, as rows t * G + g of f32 [T * G, d].
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
  let to = dst;
  for (let t = 0; t < T; t++, q += (<usize>ldq) << 2) {
    for (let j: usize = 0; j < (<usize>(G * d)) << 2; j += 4, to += 4)
      store<f32>(to, load<f32>(q + j) * scale);
  }
  prepareQueries(dst, T * G, d, type);
}
