// How a pre-tokenizer is described: the patterns that cut a text into words before merging, and
// where words end whatever follows. Data: split-words.ts and word-ends.ts work with it.

/** A pattern that is run over pieces of text. */
export interface Pass {
  readonly pattern: RegExp;
  /** Every character is in some match. */
  readonly complete?: boolean;
  /** The pattern names characters beyond ASCII themselves. */
  readonly named?: boolean;
}

/** Where words end whatever stands before them and behind what is known. */
export interface Ends {
  /**
   * A line's end: 'run' with all white space before it, whatever follows; 'single' by itself, where
   * nothing white stands before it; 'each' always by itself.
   */
  readonly lines: 'run' | 'single' | 'each';
  /** Behind which classes a word ends at white space in a line; null: behind ASCII alone. */
  readonly words: readonly number[] | null;
}

export interface PreTokenizer {
  readonly passes: readonly Pass[];
  readonly ends: Ends;
  /** A word that is a token as a whole is not merged. */
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
}
