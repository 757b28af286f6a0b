// What a backend that runs recurrent layers adds to the operations of a forward pass: short
// convolutions, gated delta nets and Mamba-2, and what stands around them. Their memory of the
// tokens before is a state of fixed size, f32, at an address that the caller owns: it is read, and
// overwritten by what holds behind the last of the T tokens; all zeros where there was none. The
// bits of a recurrence may depend on how tokens are cut into calls, not on threads. Letters as in
// backend.ts; tensors f32 [T, columns]. Formulas: docs/algorithms.md, 'Recurrent layers'.
import type { Address, Tensor } from './tensor.ts';

/** What becomes of a convolution's sums: added to, then silu(). */
export interface Convolution {
  /** f32 [C] */
  readonly bias?: Tensor;
  readonly silu?: boolean;
}

/** A gated delta net: value head v reads key head v % keyHeads. */
export interface DeltaNet {
  readonly keyHeads: number;
  /** A multiple of keyHeads. */
  readonly valueHeads: number;
  /** Of keys and of values. */
  readonly headDim: number;
  /** f32 [valueHeads], below 0: times softplus(alpha + dtBias) the log of a token's decay. */
  readonly a: Tensor;
  readonly dtBias: Tensor;
  /** Added to the squares of a query, or key, before it is made a unit. */
  readonly eps: number;
}

/** Mamba-2: head h reads B and C of group floor(h / (heads / groups)). */
export interface Mamba2 {
  /** A multiple of groups. */
  readonly heads: number;
  readonly groups: number;
  /** Numbers of B, and of C, of a group. */
  readonly stateSize: number;
  /** f32 [heads], below 0: times dt the log of a token's decay. */
  readonly a: Tensor;
  /** f32 [heads]: how much of x goes past the state. */
  readonly d: Tensor;
  readonly dtBias: Tensor;
}

/** How a gated norm goes about it. */
export interface GatedNorm {
  readonly eps: number;
  /** Equal groups that a row is normed in. */
  readonly groups: number;
  /** 'norm': RMS(x) w silu(gate); 'gate': RMS(x silu(gate)) w. */
  readonly order: 'norm' | 'gate';
}

export interface Recurrent {
  /**
   * y[t, c] = sum_j w[c, j] x[t - (K - 1) + j, c] + bias[c]: each channel by itself, w [C, K], the
   * last tap on the token itself. State [K - 1, C]: the inputs before. y lies apart from x.
   */
  convolve(y: Tensor, x: Tensor, w: Tensor, state: Address, T: number, how?: Convolution): void;
  /**
   * x [T, (2 keyHeads + valueHeads) d] = q | k | v; alpha, beta [T, valueHeads], as they come from
   * their products. With q and k made units, q times 1 / sqrt(d), for each value head:
   * S *= exp(a softplus(alpha + dtBias)); S += sigmoid(beta) (v - S k) k^T; y = S q. State
   * [valueHeads][d of values][d of keys]; y [T, valueHeads d] lies apart.
   */
  deltaNet(
    y: Tensor,
    x: Tensor,
    alpha: Tensor,
    beta: Tensor,
    state: Address,
    T: number,
    shape: DeltaNet,
  ): void;
  /**
   * x [T, heads P + 2 groups stateSize] = x | B | C; dt [T, heads], as it comes from its product.
   * With dt = softplus(dt + dtBias), for each head: S = exp(a dt) S + dt x B^T; y = S C + d x.
   * State [heads][P][stateSize]; y [T, heads P] lies apart.
   */
  mamba2(y: Tensor, x: Tensor, dt: Tensor, state: Address, T: number, shape: Mamba2): void;
  /**
   * Norm by the root mean square of each group, and a gate. w has a row's columns, or a group's
   * that all of them share. y may be x, or gate.
   */
  gatedNorm(y: Tensor, x: Tensor, gate: Tensor, w: Tensor, T: number, how: GatedNorm): void;
  /** y = a * b, T rows of y.columns; y may be a or b. */
  product(y: Tensor, a: Tensor, b: Tensor, T: number): void;
}
