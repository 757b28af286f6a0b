// What a backend that can train adds to the operations of a forward pass: their gradients, the loss
// and the optimiser. `dx` is the gradient of the loss with respect to x, f32 and shaped like x. As
// with all operations: in the order of the calls, every sum made within one call, so that the bits
// are the same for any number of threads. Letters as in backend.ts.
import type { Angles, Product } from './backend.ts';
import type { Address, QueriesKeysValues, Tensor, Weight } from './tensor.ts';

/**
 * Tokens [from, from + count) of a batch that are one sequence: they see each other and no more.
 */
export interface Sequence {
  readonly from: number;
  readonly count: number;
}

/** How tokens of a batch attend. */
export interface DenseAttention {
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Tokens that a token sees, itself included. Default: all before it in its sequence. */
  readonly window?: number;
  readonly sequences: readonly Sequence[];
}

/** AdamW (docs/algorithms.md, 'AdamW'), step t counted from 1. */
export interface AdamW {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled weight decay, times the rate. */
  readonly decay: number;
  readonly step: number;
  /** What gradients are multiplied by first: clipping. */
  readonly gradientScale: number;
}

export interface Training {
  /**
   * dx[n, k] = sum over products of dy[n, m] W[m, k], added to dx where `add`. W of any type, as
   * it is stored; a row's bits are the same whatever n is.
   */
  linearGradient(dx: Tensor, products: readonly Product[], n: number, add?: boolean): void;
  /** dW[m, k] += sum over n of dy[n, m] x[n, k]; dW an f32 weight, packed like every weight. */
  weightGradient(dw: Weight, dy: Tensor, x: Tensor, n: number): void;
  /** db[m] += sum over n of dy[n, m]. */
  biasGradient(db: Tensor, dy: Tensor, n: number): void;
  /** dW[ids[i]] += dy[i]; dW an f32 weight, ids i32 [n]. */
  embeddingGradient(dw: Weight, dy: Tensor, ids: Address, n: number): void;

  /**
   * Of y = rmsNorm(x): dx, added to what is there where `add`, else written (dx may be dy); and
   * dw += its gradient, where one is wanted.
   */
  rmsNormGradient(
    dx: Tensor,
    dy: Tensor,
    x: Tensor,
    w: Tensor,
    n: number,
    eps: number,
    options?: { readonly dw?: Tensor; readonly add?: boolean },
  ): void;
  /** Of y = silu(gate) * up; dgate may be gate, dup may be up or dy. */
  swigluGradient(dgate: Tensor, dup: Tensor, dy: Tensor, gate: Tensor, up: Tensor, n: number): void;
  /** Of y = gelu(gate) * up, likewise. */
  gegluGradient(dgate: Tensor, dup: Tensor, dy: Tensor, gate: Tensor, up: Tensor, n: number): void;
  /** Of rope(): turns back, in place. */
  ropeGradient(dx: Tensor, angles: Angles, n: number, heads: number, d: number): void;

  /**
   * out[T, Hq * d] = causal attention within each sequence, after RoPE; sums f32 [T, Hq] = log of
   * the sum of exp(score) of each query, which the gradient needs. No [T, T] is kept.
   */
  denseAttention(out: Tensor, sums: Tensor, of: QueriesKeysValues, how: DenseAttention): void;
  /**
   * Its gradients, written; scores are computed again. `spare` f32 [T, Hq]: the products of dout
   * and out of each query. Tokens between sequences get zeros.
   */
  denseAttentionGradient(
    d: QueriesKeysValues,
    dout: Tensor,
    out: Tensor,
    sums: Tensor,
    spare: Tensor,
    of: QueriesKeysValues,
    how: DenseAttention,
  ): void;

  /**
   * losses f32 [n]: losses[i] = -log softmax(logits[i])[targets[i]]; logits[i] = its gradient times
   * `scale`. Targets i32 [n], each within the columns.
   */
  crossEntropy(losses: Address, logits: Tensor, targets: Address, n: number, scale: number): void;

  /**
   * One step: m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, both divided by
   * 1 - beta^t, w -= rate (m / (sqrt(v) + epsilon) + decay w). f32, `count` numbers each; g is
   * set to zero.
   */
  adamW(w: Address, g: Address, m: Address, v: Address, count: number, how: AdamW): void;
  /** Sum of squares of f32 [count], made in f64. */
  sumOfSquares(address: Address, count: number): Promise<number>;
  /** Sets f32 [count] to zero. */
  clear(address: Address, count: number): void;
}
