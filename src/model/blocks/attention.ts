// Attention: each token's queries look at the keys of those before it, and mix their values. Its
// state are the rows of a cache, which others may evict from (Pass.onLayer).
//
// T tokens at hand, D width, Hq and Hkv heads of d.
import type { Tensor } from '../../backend/tensor.ts';
import type { DenseAttention } from '../../backend/training.ts';
import { applyLinear, linearGradient } from '../linear.ts';
import {
  type Batch,
  type BlockOf,
  type Bound,
  fused,
  type Learning,
  matrix,
  type Piece,
  type Residual,
  vector,
} from './block.ts';

export interface AttentionSpec extends Residual {
  readonly kind: 'attention';
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Which of the model's ropes turns queries and keys; none: they know no positions. */
  readonly rope?: number;
  /**
   * RMS norms on q and k: of each head ('head') or of all together ('width') before they are
   * turned. Default: none.
   */
  readonly qkNorm?: 'head' | 'width';
  /** Whether the file has q, k and v as one matrix, attn_qkv. */
  readonly isFused?: boolean;
  /** Name of an RMS norm of what heads mixed, before the output projection. */
  readonly subNorm?: string;
  /** What queries are multiplied by, beside 1 / sqrt(headDim). Default 1. */
  readonly queryScale?: number;
  /** Tokens that a token sees, itself included. Default: all before it. */
  readonly window?: number;
  /** Number of the layer whose rows it attends to, having none of its own. */
  readonly rowsOf?: number;
}

const biased = { biased: true };

const tensors = (spec: AttentionSpec, D: number) => {
  const { queryHeads: Hq, kvHeads: Hkv, headDim: d, qkNorm, isFused, subNorm } = spec;
  const [q, k, v] = isFused
    ? fused('attn_qkv', [Hq * d, Hkv * d, Hkv * d], D)
    : [
        matrix('attn_q', Hq * d, D, biased),
        matrix('attn_k', Hkv * d, D, biased),
        matrix('attn_v', Hkv * d, D, biased),
      ];
  const own = spec.rowsOf === undefined;
  const norm = (name: string, heads: number) =>
    qkNorm && vector(name, qkNorm === 'width' ? heads * d : d);
  return {
    q,
    k: own ? k : undefined,
    v: own ? v : undefined,
    output: matrix('attn_output', D, Hq * d, biased),
    qNorm: norm('attn_q_norm', Hq),
    kNorm: own ? norm('attn_k_norm', Hkv) : undefined,
    subNorm: subNorm === undefined ? undefined : vector(subNorm, Hq * d),
  };
};

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

/** What of a spec learning does not know; the rest of it has matrices of its own for q, k and v. */
const unlearned = (spec: AttentionSpec): string | undefined =>
  spec.isFused
    ? 'fused q, k and v'
    : spec.qkNorm === 'width'
      ? 'norms over all heads'
      : spec.subNorm !== undefined
        ? 'a norm of what heads mixed'
        : spec.rowsOf !== undefined
          ? 'layers that share rows'
          : undefined;

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
      [k, w.k!], // [T, Hkv d]
      [s.v, w.v!], // [T, Hkv d]
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
      [dk, w.k!],
      [dv, w.v!],
    ] as const;
    linearGradient(batch, outputs, h, dh);
  },
};

/** Queries, keys and values of the piece: new rows behind those that are cached. */
function makeRows(
  piece: Piece,
  { queryHeads: Hq, headDim: d, rope, queryScale, qkNorm, rowsOf }: AttentionSpec,
  w: Bound<ReturnType<typeof tensors>>,
  s: Readonly<Record<'q' | 'k' | 'v', Tensor>>,
): void {
  const { backend, pass, layer, from, T, normEps, angles } = piece;
  const turns = rope === undefined ? undefined : angles[rope];
  if (rowsOf !== undefined) {
    applyLinear(piece, [[s.q, w.q]], piece.x, piece.before);
    if (w.qNorm) backend.rmsNorm(s.q, s.q, w.qNorm, T * (qkNorm === 'head' ? Hq : 1), normEps);
    if (turns) backend.rope(s.q, turns, T, Hq, d);
    if (queryScale !== undefined) backend.scale(s.q, queryScale, T);
    return;
  }
  const outputs = [
    [s.q, w.q], // [T, Hq d]
    [s.k, w.k!], // [T, Hkv d]
    [s.v, w.v!], // [T, Hkv d]
  ] as const;
  applyLinear(piece, outputs, piece.x, piece.before);
  if (qkNorm === 'width') {
    backend.rmsNorm(s.q, s.q, w.qNorm!, T, normEps);
    backend.rmsNorm(s.k, s.k, w.kNorm!, T, normEps);
  }
  const place = { position: pass.position + from, token: pass.token + from };
  pass.cache.appendTurned(layer, s, T, place, {
    queryHeads: Hq,
    qNorm: qkNorm === 'head' ? w.qNorm : undefined,
    kNorm: qkNorm === 'head' ? w.kNorm : undefined,
    normEps,
    angles: turns,
    queryScale,
  });
}

export const attention: BlockOf<AttentionSpec, typeof tensors, typeof room> = {
  tensors,
  room,
  forward(piece, spec, w, s) {
    const { backend, pass, layer, isLast, from, T, normEps } = piece;
    const { window, rowsOf = layer } = spec;
    const { cache } = pass;
    makeRows(piece, spec, w, s);
    const ends = pass.queriesOnly && isLast;
    const leaves = pass.looks && !ends && window === undefined;
    const looks = leaves ? { address: s.looks.address, unseen: from + T } : undefined;
    if (!ends) backend.attention(s.mixed, s.q, cache.rows(rowsOf), T, { looks, window });
    pass.onLayer?.(layer, s.q, T, from + T, looks);
    if (ends) return false;
    if (w.subNorm) backend.rmsNorm(s.mixed, s.mixed, w.subNorm, T, normEps);
    applyLinear(piece, [[piece.y, w.output]], s.mixed, piece.behind); // [T, D]
    return true;
  },
  learning,
  unlearned,
};
