// How a backend rounds activations for products with quantised weights.

export const activationKinds = ['auto', 'int8', 'int16'] as const;
/** auto: to 8 bits where that may be (Backend.inEightBits), else to 16. */
export type Activations = (typeof activationKinds)[number];

export interface Rounding {
  readonly activations: Activations;
  /**
   * How bytes are multiplied: without a sign, with one, as numbers of seven bits (what is right in
   * every engine), or as numbers of 16 bits, where the build has no relaxed SIMD.
   */
  readonly bytes: 'unsigned' | 'signed' | 'seven-bit' | 'widened';
}
