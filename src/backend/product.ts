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

/** What a gate goes through before it is multiplied: see swiglu() and geglu(). */
export type Activation = 'silu' | 'gelu';
