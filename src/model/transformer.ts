// The forward pass: tokens in, keys and values into the cache layer by layer, log-odds of the next
// token out. It reads like the figure. It decides nothing about what the cache keeps: after each
// layer it calls back, and whoever listens may compact that layer. A model may be split by layers:
// then each part takes the hidden states that the one before left, and layers are numbered within
// the part.
//
// T tokens at hand, D width, Hq and Hkv heads of d, F feed-forward width, V vocabulary. All
// activations f32.
import type { Backend, Looks, Product } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { Cache } from '../backend/cache.ts';
import type { ModelConfig } from './config.ts';
import { createRotary, type Rotary } from './rotary.ts';
import type { ModelWeights } from './weights.ts';
import { createWorkspace, scratchShape, type Workspace } from './workspace.ts';

/**
 * Tokens, for the model's first layers; for others the hidden states f32 [T, D] that the layers
 * before left.
 */
export type Input = readonly number[] | Float32Array;

export interface Pass {
  readonly cache: Cache;
  readonly workspace: Workspace;
  /** Rotary position of the first token. */
  readonly position: number;
  /** Number of the first token, counted from the conversation's first; kept with each row. */
  readonly token: number;
  /**
   * Called in every layer after the attention of each piece, with its queries [T, Hq * d]. With the
   * last piece of a layer (`done` = all tokens) the listener may change that layer's rows.
   */
  readonly onLayer?: (
    layer: number,
    queries: Tensor,
    T: number,
    done: number,
    looks?: Looks,
  ) => void;
  /**
   * Whether the listener is given what the queries' attention to rows before this pass summed up to
   * (where it was computed).
   */
  readonly looks?: boolean;
  /** Stop after the model's last layer's attention: nobody needs what would come out. */
  readonly queriesOnly?: boolean;
}

export interface Transformer {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly weights: ModelWeights;
  readonly rotary: Rotary;
  /**
   * Reserves activations for passes of up to `tokens` tokens, worked on `piece` (default: all) at a
   * time.
   */
  createWorkspace(tokens: number, piece?: number): Workspace;
  /** T of an input. */
  countOf(input: Input): number;
  /**
   * Runs T tokens through all layers, appending T rows to every head. Leaves the last hidden states
   * in workspace.x.
   */
  forward(input: Input, pass: Pass): void;
  /**
   * Input embeddings f32 [n, D] of tokens, where the model's first layers are here. Throws
   * DeviceError where memory ends.
   */
  embed(tokens: readonly number[]): Promise<Float32Array<ArrayBuffer>>;
  /** Hidden states [T, D] after the last pass. */
  hidden(workspace: Workspace, T: number): Promise<Float32Array<ArrayBuffer>>;
  /** Log-odds [V] after token t of the last pass. */
  logits(workspace: Workspace, t: number): Promise<Float32Array<ArrayBuffer>>;
}

/** Tokens embedded at once. */
const EMBED_TOKENS = 64;

export function createTransformer(
  config: ModelConfig,
  weights: ModelWeights,
  backend: Backend,
): Transformer {
  const { width: D, queryHeads, kvHeads, headDim: d, vocabulary: V, normEps } = config;
  const layers = weights.layers.length;
  const ends = weights.end === config.layers;
  const rotary = createRotary(config, weights.ropeFactors);
  const linear = (products: readonly Product[], x: Tensor, T: number) =>
    T === 1 ? backend.linearOne(products, x) : backend.linear(products, x, T);
  const rowsOf = (x: Tensor, first: number): Tensor => ({
    address: x.address + first * x.columns * 4,
    columns: x.columns,
  });
  const countOf = (input: Input) =>
    input instanceof Float32Array ? input.length / D : input.length;

  function forward(input: Input, pass: Pass): void {
    const { cache, workspace: s } = pass;
    const hidden = input instanceof Float32Array;
    const all = countOf(input);
    if (hidden !== weights.first > 0)
      throw new RangeError(
        `layers from ${weights.first} on were given ${hidden ? 'hidden states' : 'tokens'}`,
      );
    if (all > s.tokens)
      throw new RangeError(`${all} tokens in one pass, the workspace holds ${s.tokens}`);
    const angles = { address: s.angles, rotated: config.ropeDims, style: config.architecture.rope };
    const writeAngles = (from: number, T: number) =>
      rotary.write(backend, s.angles, pass.position + from, T);
    const onePiece = all <= s.piece;

    if (hidden) backend.write(s.x.address, input);
    for (let from = 0; from < all && !hidden; from += s.piece) {
      const T = Math.min(s.piece, all - from);
      backend.write(s.ids, Int32Array.from(input.slice(from, from + T)));
      backend.embed(rowsOf(s.x, from), weights.embedding!, s.ids, T);
    }
    if (onePiece) writeAngles(0, all);
    for (let l = 0; l < layers; l++) {
      const w = weights.layers[l];
      for (let from = 0; from < all; from += s.piece) {
        const T = Math.min(s.piece, all - from);
        const x = rowsOf(s.x, from);
        if (!onePiece) writeAngles(from, T);

        backend.rmsNorm(s.normed, x, w.attnNorm, T, normEps);
        const inputs: Product[] = [
          [s.q, w.q],
          [s.k, w.k],
          [s.v, w.v],
        ];
        linear(inputs, s.normed, T);
        if (w.qBias) backend.addBias(s.q, w.qBias, T);
        if (w.kBias) backend.addBias(s.k, w.kBias, T);
        if (w.vBias) backend.addBias(s.v, w.vBias, T);
        if (w.qNorm) backend.rmsNorm(s.q, s.q, w.qNorm, T * queryHeads, normEps);
        if (w.kNorm) backend.rmsNorm(s.k, s.k, w.kNorm, T * kvHeads, normEps);
        backend.rope(s.q, angles, T, queryHeads, d);
        backend.rope(s.k, angles, T, kvHeads, d);
        cache.append(l, s.k, s.v, T, pass.token + from, pass.position + from);
        const last = pass.queriesOnly && ends && l === layers - 1;
        const looks =
          pass.looks && !last ? { address: s.looks.address, unseen: from + T } : undefined;
        if (!last) backend.attention(s.mixed, s.q, cache.rows(l), T, looks);
        pass.onLayer?.(l, s.q, T, from + T, looks);
        if (last) continue;
        linear([[s.normed, w.attnOutput]], s.mixed, T);
        backend.add(x, s.normed, T);

        backend.rmsNorm(s.normed, x, w.ffnNorm, T, normEps);
        const gates: Product[] = [
          [s.gate, w.gate],
          [s.up, w.up],
        ];
        linear(gates, s.normed, T);
        backend.swiglu(s.gate, s.gate, s.up, T);
        linear([[s.normed, w.down]], s.gate, T);
        backend.add(x, s.normed, T);
      }
    }
  }

  return {
    config,
    backend,
    weights,
    rotary,
    createWorkspace: (tokens, piece) => createWorkspace(config, backend, tokens, piece),
    countOf,
    forward,
    async embed(tokens) {
      const ids = backend.arena.allocate(EMBED_TOKENS * (1 + D) * 4);
      const rows = { address: ids + EMBED_TOKENS * 4, columns: D };
      const parts: Promise<Float32Array>[] = [];
      let release = () => {};
      try {
        release = backend.reserveScratch(scratchShape(config, 1));
        for (let at = 0; at < tokens.length; at += EMBED_TOKENS) {
          const part = tokens.slice(at, at + EMBED_TOKENS);
          backend.write(ids, Int32Array.from(part));
          backend.embed(rows, weights.embedding!, ids, part.length);
          parts.push(backend.readFloats(rows.address, part.length * D));
        }
      } finally {
        release();
        backend.arena.free(ids);
      }
      const out = new Float32Array(tokens.length * D);
      for (const [i, part] of parts.entries()) out.set(await part, i * EMBED_TOKENS * D);
      return out;
    },
    hidden: (s, T) => backend.readFloats(s.x.address, T * D),
    logits(s, t) {
      backend.rmsNorm(s.normed, rowsOf(s.x, t), weights.outputNorm!, 1, normEps);
      backend.linearOne([[s.logits, weights.output!]], s.normed);
      return backend.readFloats(s.logits.address, V);
    },
  };
}
