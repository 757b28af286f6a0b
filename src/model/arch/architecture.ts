// What tells the supported architectures apart: data, so that one forward pass serves them all.

export interface Architecture {
  /** GGUF's name, 'general.architecture'. */
  readonly name: string;
  /** Which dimensions of a head rotate together: (2j, 2j + 1) or (j, j + half). */
  readonly rope: 'pairs' | 'halves';
  /** RMS norms on q and k per head. */
  readonly qkNorm: boolean;
  /** Whether a file may have a factor for each rotary frequency (Llama 3). */
  readonly ropeFactors: boolean;
}
