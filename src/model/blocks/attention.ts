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
  type RowsPart,
  type TensorSpec,
  vector,
} from './block.ts';

export interface AttentionSpec extends Residual {
  readonly kind: 'attention';
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Which of the model's ropes turns queries and keys; none: they know no positions. */
  readonly rope?: number;
  /** Which of them turns queries alone. Default: the same. */
  readonly queryRope?: number;
  /**
   * RMS norms on q and k: of each head ('head') or of all together ('width') before they are
   * turned, or of each head behind that ('turned'). Keys of the last kind are cached without the
   * norm's weights, which queries bear, so that they can be turned on. Default: none.
   */
  readonly qkNorm?: 'head' | 'width' | 'turned';
  /** Whether each head of v is normed, without weights. */
  readonly vNorm?: boolean;
  /** Whether values are what keys are made of, before their norm: there is no attn_v. */
  readonly valuesAreKeys?: boolean;
  /** Scores s become cap tanh(s / cap). */
  readonly cap?: number | undefined;
  /** Whether each query head has a score that goes to no row, attn_sinks. */
  readonly hasSinks?: boolean;
  /** Whether attn_q has a gate behind each head's query, whose sigmoid its output goes through. */
  readonly isGated?: boolean;
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

/** Queries, and their gates, where heads have both. */
function queriesOf({ queryHeads, headDim: d, isGated }: AttentionSpec, D: number) {
  const part = (from: number) => ({ period: 2 * d, from, count: d });
  const own = (of?: RowsPart) => matrix('attn_q', queryHeads * d, D, { biased: true, part: of });
  return isGated ? { q: own(part(0)), gate: own(part(d)) } : { q: own(), gate: undefined };
}

const tensors = (spec: AttentionSpec, D: number) => {
  const { queryHeads: Hq, kvHeads: Hkv, headDim: d, qkNorm, isFused, subNorm } = spec;
  const queries = queriesOf(spec, D);
  const [q, k, v] = isFused
    ? fused('attn_qkv', [Hq * d, Hkv * d, Hkv * d], D)
    : [
        queries.q,
        matrix('attn_k', Hkv * d, D, biased),
        spec.valuesAreKeys ? undefined : matrix('attn_v', Hkv * d, D, biased),
      ];
  const own = spec.rowsOf === undefined;
  const norm = (name: string, heads: number) =>
    qkNorm && vector(name, qkNorm === 'width' ? heads * d : d);
  return {
    q: q!,
    gate: queries.gate,
    k: own ? k : undefined,
    v: own ? v : undefined,
    output: matrix('attn_output', D, Hq * d, biased),
    qNorm: norm('attn_q_norm', Hq),
    kNorm: own ? norm('attn_k_norm', Hkv) : undefined,
    sinks: spec.hasSinks ? vector('attn_sinks', Hq) : undefined,
    subNorm: subNorm === undefined ? undefined : vector(subNorm, Hq * d),
  };
};

/** A layer that attends to another's rows has no use for what would make its own. */
const unread = (spec: AttentionSpec, D: number): TensorSpec[] => {
  if (spec.rowsOf === undefined) return [];
  const { k, v, kNorm } = tensors({ ...spec, rowsOf: undefined }, D);
  return [k, v, kNorm].filter((each) => each !== undefined);
};

const room = ({ queryHeads: Hq, kvHeads: Hkv, headDim: d, isGated }: AttentionSpec) => ({
  q: Hq * d,
  gate: isGated ? Hq * d : 0,
  k: Hkv * d,
  v: Hkv * d,
  mixed: Hq * d,
  looks: 2 * Hq,
});

const denseOf = (
  { queryHeads, kvHeads, headDim, window }: AttentionSpec,
  { sequences }: Batch,
): DenseAttention => ({ queryHeads, kvHeads, headDim, window, sequences });

/** What of a spec learning does not know. */
const unlearned = (spec: AttentionSpec): string | undefined => {
  const { isFused, qkNorm, subNorm, rowsOf, cap, hasSinks, isGated, vNorm, queryRope } = spec;
  const [found] = [
    isFused && 'fused q, k and v',
    (qkNorm === 'width' || qkNorm === 'turned') && 'norms over all heads, or of turned ones',
    subNorm !== undefined && 'a norm of what heads mixed',
    rowsOf !== undefined && 'layers that share rows',
    cap !== undefined && 'capped attention',
    hasSinks && 'attention sinks',
    isGated && 'gated attention',
    (vNorm || spec.valuesAreKeys) && 'normed values',
    queryRope !== undefined && 'queries of another temperature',
  ].filter((what) => typeof what === 'string');
  return found;
};

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

type Room = Readonly<Record<keyof ReturnType<typeof room>, Tensor>>;
type Weights = Bound<ReturnType<typeof tensors>>;

/** The products of the piece: queries, and keys and values where the layer has its own. */
function project(piece: Piece, w: Weights, s: Room): void {
  const outputs = [
    [s.q, w.q], // [T, Hq d]
    [s.gate, w.gate],
    [s.k, w.k], // [T, Hkv d]
    [s.v, w.v], // [T, Hkv d]
  ] as const;
  const made = outputs.flatMap(([y, linear]) => (linear ? [[y, linear] as const] : []));
  applyLinear(piece, made, piece.x, piece.before);
}

/** Queries of a layer that attends to another's rows. */
function makeQueries(piece: Piece, spec: AttentionSpec, w: Weights, s: Room): void {
  const { backend, T, normEps, angles } = piece;
  const { queryHeads: Hq, headDim: d, rope, queryScale, qkNorm } = spec;
  if (w.qNorm) backend.rmsNorm(s.q, s.q, w.qNorm, T * (qkNorm === 'head' ? Hq : 1), normEps);
  if (rope !== undefined) backend.rope(s.q, angles[rope], T, Hq, d);
  if (queryScale !== undefined) backend.scale(s.q, queryScale, T);
}

/** Queries, and new rows of keys and values behind those that are cached. */
function makeRows(piece: Piece, spec: AttentionSpec, w: Weights, s: Room): void {
  const { backend, pass, layer, from, T, normEps, angles } = piece;
  const { queryHeads: Hq, kvHeads: Hkv, headDim: d, qkNorm, rope, queryRope } = spec;
  if (spec.valuesAreKeys) backend.copy(s.v.address, s.k.address, T * Hkv * d * 4);
  if (qkNorm === 'width') {
    backend.rmsNorm(s.q, s.q, w.qNorm!, T, normEps);
    backend.rmsNorm(s.k, s.k, w.kNorm!, T, normEps);
  } else if (qkNorm === 'turned') {
    backend.rmsNorm(s.q, s.q, { columns: d }, T * Hq, normEps);
    backend.rmsNorm(s.k, s.k, { columns: d }, T * Hkv, normEps);
  }
  const place = { position: pass.position + from, token: pass.token + from };
  pass.cache.appendTurned(layer, s, T, place, {
    queryHeads: Hq,
    qNorm: qkNorm === 'head' ? w.qNorm : undefined,
    kNorm: qkNorm === 'head' ? w.kNorm : undefined,
    vNorm: spec.vNorm,
    normEps,
    angles: rope === undefined ? undefined : angles[rope],
    queryAngles: queryRope === undefined ? undefined : angles[queryRope],
    queryWeight: qkNorm === 'turned' ? w.qNorm : undefined,
    queryScale: spec.queryScale,
  });
  if (qkNorm === 'turned') backend.multiplyColumns(s.q, w.kNorm!, T * Hq);
}

export const attention: BlockOf<AttentionSpec, typeof tensors, typeof room> = {
  tensors,
  unread,
  room,
  forward(piece, spec, w, s) {
    const { backend, pass, layer, isLast, from, T, normEps } = piece;
    const { window, rowsOf, cap } = spec;
    const { cache } = pass;
    project(piece, w, s);
    if (rowsOf === undefined) makeRows(piece, spec, w, s);
    else makeQueries(piece, spec, w, s);
    const ends = pass.queriesOnly && isLast;
    const leaves = pass.looks && !ends && window === undefined;
    const looks = leaves ? { address: s.looks.address, unseen: from + T } : undefined;
    const attending = { cap, sinks: w.sinks };
    // (another layer has the rows of the whole pass already)
    const rows =
      rowsOf === undefined ? cache.rows(layer) : cache.rows(rowsOf - piece.first, piece.left);
    if (!ends) backend.attention(s.mixed, s.q, rows, T, { looks, window, ...attending });
    pass.onLayer?.(layer, s.q, T, from + T, looks, attending);
    if (ends) return false;
    if (w.gate) backend.gateBySigmoid(s.mixed, s.gate, T);
    if (w.subNorm) backend.rmsNorm(s.mixed, s.mixed, w.subNorm, T, normEps);
    applyLinear(piece, [[piece.y, w.output]], s.mixed, piece.behind); // [T, D]
    return true;
  },
  learning,
  unlearned,
};
