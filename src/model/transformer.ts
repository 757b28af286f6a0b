// The forward pass: tokens in, keys and values into the cache layer by layer, log-odds of the next token out. It reads like the figure.
// It decides nothing about what the cache keeps: after each layer it calls back, and whoever listens may compact that layer.
//
// T tokens at hand, D width, Hq and Hkv heads of d, F feed-forward width, V vocabulary. All activations f32.
import type { Backend, Looks, Product, ScratchShape } from '../backend/backend.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import type { Cache } from '../cache/cache.ts';
import type { ModelConfig } from './config.ts';
import type { ModelWeights } from './load.ts';
import { createRotary, type Rotary } from './rotary.ts';

/** Where a session's activations lie: `tokens` hidden states, and everything else for a `piece` of them at a time. */
export interface Workspace {
  readonly tokens: number;
  readonly piece: number;
  readonly ids: Address;
  readonly angles: Address;
  readonly x: Tensor;
  readonly normed: Tensor;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mixed: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly looks: Tensor;
  /** f32 [1, V]. */
  readonly logits: Tensor;
  readonly bytes: number;
  dispose(): void;
}

export interface Pass {
  readonly cache: Cache;
  readonly workspace: Workspace;
  /** Rotary position of the first token. */
  readonly position: number;
  /** Number of the first token, counted from the conversation's first; kept with each row. */
  readonly token: number;
  /**
   * Called in every layer after the attention of each piece, with its queries [T, Hq * d]. With the last piece of a layer (`done` = all
   * tokens) the listener may change that layer's rows.
   */
  readonly onLayer?: (layer: number, queries: Tensor, T: number, done: number, looks?: Looks) => void;
  /** Whether the listener is given what the queries' attention to rows before this pass summed up to (where it was computed). */
  readonly looks?: boolean;
  /** Stop after the last layer's attention: nobody needs what would come out. */
  readonly queriesOnly?: boolean;
}

export interface Transformer {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly weights: ModelWeights;
  readonly rotary: Rotary;
  /** Reserves activations for passes of up to `tokens` tokens, worked on `piece` (default: all) at a time. */
  createWorkspace(tokens: number, piece?: number): Workspace;
  /** Bytes that createWorkspace reserves, the backend's scratch included. */
  workspaceBytes(tokens: number, piece?: number): number;
  /** Runs T tokens through all layers, appending T rows to every head. Leaves the last hidden states in workspace.x. */
  forward(tokens: readonly number[] | Int32Array, pass: Pass): void;
  /** Log-odds [V] after token t of the last pass: a view, valid until the next operation. */
  logits(workspace: Workspace, t: number): Float32Array;
}

export function createTransformer(config: ModelConfig, weights: ModelWeights, backend: Backend): Transformer {
  const { width: D, queryHeads, kvHeads, headDim: d, feedForward: F, vocabulary: V, normEps, layers } = config;
  const rotary = createRotary(config, weights.ropeFactors);
  const pieceColumns = {
    normed: D,
    q: queryHeads * d,
    k: kvHeads * d,
    v: kvHeads * d,
    mixed: queryHeads * d,
    gate: F,
    up: F,
    looks: 2 * queryHeads,
    ids: 1,
    angles: config.ropeDims,
  } as const;
  const linear = (products: readonly Product[], x: Tensor, T: number) => (T === 1 ? backend.linearOne(products, x) : backend.linear(products, x, T));
  const rowsOf = (x: Tensor, first: number): Tensor => ({ address: x.address + first * x.columns * 4, columns: x.columns });
  const scratchShape = (tokens: number): ScratchShape => ({ tokens, queryHeads, kvHeads, headDim: d, width: Math.max(D, F, queryHeads * d) });
  const align = (bytes: number) => Math.ceil(bytes / 16) * 16;
  const activationBytes = (tokens: number, piece: number) =>
    align(tokens * D * 4) + Object.values(pieceColumns).reduce((sum, columns) => sum + align(piece * columns * 4), 0) + align(V * 4);

  function createWorkspace(tokens: number, piece = tokens): Workspace {
    const bytes = activationBytes(tokens, piece);
    const region = backend.arena.allocate(bytes);
    let releaseScratch: () => void;
    try {
      releaseScratch = backend.reserveScratch(scratchShape(piece));
    } catch (error) {
      backend.arena.free(region);
      throw error;
    }
    let at = region;
    const take = (rows: number, columns: number): Tensor => {
      const tensor = { address: at, columns };
      at += align(rows * columns * 4);
      return tensor;
    };
    const pieces = Object.fromEntries(Object.entries(pieceColumns).map(([name, columns]) => [name, take(piece, columns)])) as Record<
      keyof typeof pieceColumns,
      Tensor
    >;
    let live = true;
    return {
      tokens,
      piece,
      ...pieces,
      ids: pieces.ids.address,
      angles: pieces.angles.address,
      x: take(tokens, D),
      logits: take(1, V),
      bytes,
      dispose() {
        if (!live) return;
        live = false;
        backend.arena.free(region);
        releaseScratch();
      },
    };
  }

  function forward(tokens: readonly number[] | Int32Array, pass: Pass): void {
    const { cache, workspace: s } = pass;
    const all = tokens.length;
    if (all > s.tokens) throw new RangeError(`${all} tokens in one pass, the workspace holds ${s.tokens}`);
    const angles = { address: s.angles, rotated: config.ropeDims, style: config.architecture.rope };
    const writeAngles = (from: number, T: number) => rotary.write(backend, s.angles, pass.position + from, T);
    const onePiece = all <= s.piece;

    for (let from = 0; from < all; from += s.piece) {
      const T = Math.min(s.piece, all - from);
      backend.ints(s.ids, T).set(tokens.slice(from, from + T));
      backend.embed(rowsOf(s.x, from), weights.embedding, s.ids, T);
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
        const last = pass.queriesOnly && l === layers - 1;
        const looks = pass.looks && !last ? { address: s.looks.address, unseen: from + T } : undefined;
        if (!last) backend.attention(s.mixed, s.q, cache.heads[l], T, d, cache.shape.rowType, looks);
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
    createWorkspace,
    workspaceBytes: (tokens, piece = tokens) => activationBytes(tokens, piece) + backend.scratchBytes(scratchShape(piece)),
    forward,
    logits(s, t) {
      backend.rmsNorm(s.normed, rowsOf(s.x, t), weights.outputNorm, 1, normEps);
      backend.linearOne([[s.logits, weights.output]], s.normed);
      return backend.floats(s.logits.address, V);
    },
  };
}
