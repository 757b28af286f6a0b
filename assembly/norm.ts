// Root mean square normalisation.
import { madd, sumLanes } from './simd';

/** y[i, :] = x[i, :] / sqrt(mean(x[i, :]^2) + eps) * w. y, x f32 [n, d] | w f32 [d]; y may be x. */
export function rms_norm(y: usize, x: usize, w: usize, n: i32, d: i32, eps: f32): void {
  const bytes = (<usize>d) << 2;
  const lanes = (<usize>(d & ~3)) << 2;
  for (let i = 0; i < n; i++, x += bytes, y += bytes) {
    let squares = f32x4.splat(0);
    let j: usize = 0;
    for (; j < lanes; j += 16) {
      const v = v128.load(x + j);
      squares = madd(squares, v, v);
    }
    let sum = sumLanes(squares);
    for (; j < bytes; j += 4) sum += load<f32>(x + j) * load<f32>(x + j);
    const scale = <f32>1 / sqrt<f32>(sum / <f32>d + eps);
    const by = f32x4.splat(scale);
    for (j = 0; j < lanes; j += 16)
      v128.store(y + j, f32x4.mul(f32x4.mul(v128.load(x + j), by), v128.load(w + j)));
    for (; j < bytes; j += 4) store<f32>(y + j, load<f32>(x + j) * scale * load<f32>(w + j));
  }
}
