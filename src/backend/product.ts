// Products with weights, as operations take them: where they go, what makes them, and what is done
// before and behind them in the same operation.
import type { Tensor, Weight } from './tensor.ts';

/** Where a product goes, the weight [m, k] that makes it, and the bias [m] that it gets. */
export type Product = readonly [y: Tensor, w: Weight, bias?: Tensor];

/** x is normed before the products: see rmsNorm(). */
export interface NormBefore {
  readonly norm: { readonly w: Tensor; readonly eps: number };
  readonly adds?: undefined;
  /** f32 [n, k], apart from x, where a backend may keep what lies between. */
  readonly room: Tensor;
}

/** y += the product, bias and all, instead of y =. */
export interface AddBehind {
  readonly norm?: undefined;
  readonly adds: true;
  /** f32 [n, m] (the largest m), apart from x and y, where a backend may keep what lies between. */
  readonly room: Tensor;
}

export type Around = NormBefore | AddBehind;

/**
 * What a gate g goes through before it is multiplied:
 *
 *     silu         g sigmoid(g)
 *     gelu         g (1 + tanh(sqrt(2 / pi) (g + 0.044715 g^3))) / 2
 *     sparse-gelu  gelu(max(g - c, 0)), c = mean + SPARSE_DEVIATIONS std of the row's gates
 *     clamped      g sigmoid(1.702 g), g at most 7; multiplied by up + 1, up from -7 to 7
 */
export type Activation = 'silu' | 'gelu' | 'sparse-gelu' | 'clamped';
/** Those that take a gate by itself. */
export type PlainActivation = Exclude<Activation, 'sparse-gelu'>;

/**
 * Standard deviations (of n - 1) above the mean beyond which a twentieth of normal numbers lies, as
 * f32.
 */
export const SPARSE_DEVIATIONS = 1.6448533535003662;
