// Attention: each token's queries look at the keys of those before it, and mix their values. Its
// state are the rows of a cache, which others may evict from (Pass.onLayer).
//
// T tokens at hand, D width, Hq and Hkv heads of d.
import type { DenseAttention } from '../../backend/training.ts';
import { applyLinear, linearGradient } from '../linear.ts';
import { type Batch, type BlockOf, type Learning, matrix, type Residual, vector } from './block.ts';

export interface AttentionSpec extends Residual {
  readonly kind: 'attention';
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Which of the model's ropes turns queries and keys; none: they know no positions. */
  readonly rope?: number;
  /** RMS norms on q and k per head, before they are turned. */
  readonly qkNorm: boolean;
  /** What queries are multiplied by, beside 1 / sqrt(headDim). Default 1. */
  readonly queryScale?: number;
  /** Tokens that a token sees, itself included. Default: all before it. */
  readonly window?: number;
  /** Number of the layer whose rows it attends to, having none of its own. */
  readonly rowsOf?: number;
}

const tensors = (
  { queryHeads: Hq, kvHeads: Hkv, headDim: d, qkNorm }: AttentionSpec,
  D: number,
) => ({
  q: matrix('attn_q', Hq * d, D, { biased: true }),
  k: matrix('attn_k', Hkv * d, D, { biased: true }),
  v: matrix('attn_v', Hkv * d, D, { biased: true }),
  output: matrix('attn_output', D, Hq * d),
  qNorm: qkNorm ? vector('attn_q_norm', d) : undefined,
  kNorm: qkNorm ? vector('attn_k_norm', d) : undefined,
});

const room = ({ queryHeads: Hq, kvHeads: Hkv, headDim: d }: AttentionSpec) => ({
  q: Hq * d,
  k: Hkv * d,
  v: Hkv * d,
  mixed: Hq * d,
  looks: 2 * Hq,
});

const denseOf = (
  { queryHeads, kvHeads, headDim, window }: AttentionSpec,
  { sequences }: Batch,
): DenseAttention => ({ queryHeads, kvHeads, headDim, window, sequences });

const learning: Learning<
  AttentionSpec,
  ReturnType<typeof tensors>,
  'q' | 'k' | 'v' | 'mixed' | 'sums' | 'rawQ' | 'rawK' | 'dq' | 'dk' | 'dv' | 'dmixed' | 'dots'
> = {
  kept: ({ queryHeads: Hq, kvHeads: Hkv, headDim: d, qkNorm }) => ({
    q: Hq * d,
    k: Hkv * d,
    v: Hkv * d,
    mixed: Hq * d,
    sums: Hq,
    // before their norms
    ...(qkNorm && { rawQ: Hq * d, rawK: Hkv * d }),
  }),
  spare: ({ queryHeads: Hq, kvHeads: Hkv, headDim: d }) => ({
    dq: Hq * d,
    dk: Hkv * d,
    dv: Hkv * d,
    dmixed: Hq * d,
    dots: Hq,
  }),
  forward(batch, spec, w, s, y) {
    const { backend, training, T, normEps, angles, h } = batch;
    const { queryHeads: Hq, kvHeads: Hkv, headDim: d, rope, queryScale, qkNorm } = spec;
    const [q, k] = qkNorm ? [s.rawQ, s.rawK] : [s.q, s.k];
    const outputs = [
      [q, w.q], // [T, Hq d]
      [k, w.k], // [T, Hkv d]
      [s.v, w.v], // [T, Hkv d]
    ] as const;
    applyLinear(batch, outputs, h);
    if (w.qNorm) backend.rmsNorm(s.q, q, w.qNorm, T * Hq, normEps);
    if (w.kNorm) backend.rmsNorm(s.k, k, w.kNorm, T * Hkv, normEps);
    if (rope !== undefined) {
      backend.rope(s.q, angles[rope], T, Hq, d);
      backend.rope(s.k, angles[rope], T, Hkv, d);
    }
    if (queryScale !== undefined) backend.scale(s.q, queryScale, T);
    training.denseAttention(s.mixed, s.sums, s, denseOf(spec, batch));
    applyLinear(batch, [[y, w.output]], s.mixed); // [T, D]
  },
  backward(batch, spec, w, s, dy, dh) {
    const { backend, training, T, normEps, angles, h } = batch;
    const { queryHeads: Hq, kvHeads: Hkv, headDim: d, rope, queryScale } = spec;
    const { dq, dk, dv, dmixed, mixed, sums } = s;
    linearGradient(batch, [[dy, w.output]], mixed, dmixed);
    const how = denseOf(spec, batch);
    training.denseAttentionGradient({ q: dq, k: dk, v: dv }, dmixed, mixed, sums, s.dots, s, how);
    if (queryScale !== undefined) backend.scale(dq, queryScale, T);
    if (rope !== undefined) {
      training.ropeGradient(dq, angles[rope], T, Hq, d);
      training.ropeGradient(dk, angles[rope], T, Hkv, d);
    }
    const norms = [
      [dq, s.rawQ, w.qNorm, Hq],
      [dk, s.rawK, w.kNorm, Hkv],
    ] as const;
    for (const [dx, x, norm, heads] of norms)
      if (norm) {
        const dw = batch.gradientOf(norm);
        training.rmsNormGradient(dx, dx, x, norm, T * heads, normEps, { dw });
      }
    const outputs = [
      [dq, w.q],
      [dk, w.k],
      [dv, w.v],
    ] as const;
    linearGradient(batch, outputs, h, dh);
  },
};

export const attention: BlockOf<AttentionSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, spec, w, s) {
    const { backend, pass, layer, isLast, from, T, normEps, angles } = piece;
    const { queryHeads, rope, queryScale, window } = spec;
    const { cache } = pass;
    const outputs = [
      [s.q, w.q], // [T, Hq d]
      [s.k, w.k], // [T, Hkv d]
      [s.v, w.v], // [T, Hkv d]
    ] as const;
    applyLinear(piece, outputs, piece.x, piece.before);
    const place = { position: pass.position + from, token: pass.token + from };
    cache.appendTurned(layer, s, T, place, {
      queryHeads,
      qNorm: w.qNorm,
      kNorm: w.kNorm,
      normEps,
      angles: rope === undefined ? undefined : angles[rope],
      queryScale,
    });

    const ends = pass.queriesOnly && isLast;
    const leaves = pass.looks && !ends && window === undefined;
    const looks = leaves ? { address: s.looks.address, unseen: from + T } : undefined;
    if (!ends) backend.attention(s.mixed, s.q, cache.rows(layer), T, looks, window);
    pass.onLayer?.(layer, s.q, T, from + T, looks);
    if (ends) return false;
    applyLinear(piece, [[piece.y, w.output]], s.mixed, piece.behind); // [T, D]
    return true;
  },
  learning,
};
