// Attention that future queries can be expected to pay, if they are drawn like the queries at hand
// (Expected Attention of kvpress): the mean of exp(q . k) over a normal distribution is exp(mean .
// k + k C k / 2). Mean and covariance are of one query head.
import { packKeys, padded } from './attention';
import { tilePanels } from './gemm/tile';
import { exp1 } from './math';
import { gatherQueries } from './queries';
import { dot } from './row-norms';
import { rowBytes, TILE, tileOf } from './rows/table';
import { madd } from './simd';

/** Bytes of scratch for expect() with P queries of G heads. */
export function expect_scratch(P: i32, G: i32, d: i32): i32 {
  return (P * G * d + 2 * d + 2 * d * padded(d) + TILE * (d + padded(d))) * 4;
}

/**
 * out[i] = mean over g of softmax_i(m_g . k[i] + k[i] C_g k[i] / 2), m_g and C_g the mean and
 * covariance of q[., g] / sqrt(d). out, spare f32 [n] | q f32 [P, G, d] ldq, P > 0 | k rows [n, d]
 * | rest of loadRows | scratch expect_scratch()
 */
export function expect(
  out: usize,
  spare: usize,
  q: usize,
  k: usize,
  rest: usize,
  scratch: usize,
  P: i32,
  G: i32,
  n: i32,
  d: i32,
  ldq: i32,
  type: i32,
): void {
  const dp = padded(d);
  const bytes = (<usize>d) << 2;
  const queries = scratch;
  const mean = queries + <usize>(P * G) * bytes;
  const apart = mean + bytes;
  const covariance = apart + bytes;
  const panels = covariance + ((<usize>(d * dp)) << 2);
  const wide = panels + ((<usize>(d * dp)) << 2);
  const products = wide + <usize>TILE * bytes;

  gatherQueries(queries, q, P, G, d, ldq, type);
  memory.fill(out, 0, (<usize>n) << 2);
  for (let g = 0; g < G; g++) {
    moments(mean, covariance, apart, queries + <usize>g * bytes, P, d, <usize>G * bytes);
    packKeys(panels, covariance, d, d);
    let peak: f32 = -Infinity;
    let mass: f32 = 0;
    for (let i0 = 0; i0 < n; i0 += TILE) {
      const keys = min(TILE, n - i0);
      const tile = tileOf(k + <usize>i0 * rowBytes(d, type), rest, wide, keys, d, type);
      tilePanels(products, tile, panels, keys, dp >> 3, <usize>8 * bytes, d, dp, d, 8, false);
      for (let i = 0; i < keys; i++) {
        const key = tile + <usize>i * bytes;
        const s = dot(mean, key, d) + <f32>0.5 * dot(products + ((<usize>(i * dp)) << 2), key, d);
        store<f32>(spare + ((<usize>(i0 + i)) << 2), s);
        const before = peak;
        peak = max(peak, s);
        mass = mass * exp1(before - peak) + exp1(s - peak);
      }
    }
    const by = <f32>1 / (mass * <f32>G);
    for (let i: usize = 0; i < (<usize>n) << 2; i += 4)
      store<f32>(out + i, load<f32>(out + i) + exp1(load<f32>(spare + i) - peak) * by);
  }
}

/** mean [d] and covariance [d, d] of rows x [P, d], `step` bytes apart; `apart` f32 [d]. */
function moments(
  mean: usize,
  covariance: usize,
  apart: usize,
  x: usize,
  P: i32,
  d: i32,
  step: usize,
): void {
  const bytes = (<usize>d) << 2;
  const by = <f32>1 / <f32>P;
  memory.fill(mean, 0, bytes);
  memory.fill(covariance, 0, <usize>d * bytes);
  for (let p = 0; p < P; p++) {
    for (let j: usize = 0; j < bytes; j += 4)
      store<f32>(mean + j, load<f32>(mean + j) + load<f32>(x + <usize>p * step + j) * by);
  }
  const lanes = bytes & ~15;
  for (let p = 0; p < P; p++) {
    for (let j: usize = 0; j < bytes; j += 4)
      store<f32>(apart + j, load<f32>(x + <usize>p * step + j) - load<f32>(mean + j));
    for (let i = 0; i < d; i++) {
      const one = load<f32>(apart + ((<usize>i) << 2)) * by;
      const row = covariance + <usize>i * bytes;
      const ones = f32x4.splat(one);
      let j: usize = 0;
      for (; j < lanes; j += 16)
        v128.store(row + j, madd(v128.load(row + j), ones, v128.load(apart + j)));
      for (; j < bytes; j += 4)
        store<f32>(row + j, load<f32>(row + j) + one * load<f32>(apart + j));
    }
  }
}
