// What an embedder is: texts to unit vectors whose cosine says how alike their topics are.

export interface Embedder {
  readonly name: string;
  /**
   * Learns from the conversation's segments what is common and what is telling. Called before
   * embed, again when the conversation is clustered anew.
   */
  fit?(texts: readonly string[]): void;
  /** Learns of further segments. */
  extend?(texts: readonly string[]): void;
  /**
   * Vectors of one length, one a text, L2-normalised; a text of which nothing is known gets zeros.
   */
  embed(texts: readonly string[]): Promise<Float32Array[]>;
  /**
   * How much each segment learned of has to say to a question, where the embedder knows better than
   * the cosine of its vectors.
   */
  likeness?(question: string): number[];
}

/** A vector at length 1, in place; zeros stay. */
export function normalise(vector: Float32Array): Float32Array {
  let sum = 0;
  for (const x of vector) sum += x * x;
  if (sum > 0) {
    const by = 1 / Math.sqrt(sum);
    for (let i = 0; i < vector.length; i++) vector[i] *= by;
  }
  return vector;
}

/** Cosine of unit vectors. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
