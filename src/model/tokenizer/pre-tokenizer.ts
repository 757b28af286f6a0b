// How a pre-tokenizer is described: what cuts a text into words before merging, and where words end
// whatever follows. Data: split-words.ts and word-ends.ts work with it.
import type { UnitKind } from './pattern-units.ts';

/** Called with begin and end of each piece, in order, without gaps. */
export type Take = (begin: number, end: number) => void;

/** Run over each piece of a text, in units of a kind ('classes' where none is said). */
export type Pass = { readonly units?: UnitKind } & (
  | {
      readonly pattern: RegExp;
      /** Every character is in some match. */
      readonly complete?: boolean;
    }
  | {
      /** Does what no pattern does in time that grows with the piece alone. */
      readonly cut: (piece: string, take: Take) => void;
    }
);

/** Where words end whatever stands before them and behind what is known. */
export interface Ends {
  /**
   * A line's end: 'run' with all white space before it, whatever follows; 'single' by itself, where
   * nothing white stands before it; 'each' always by itself.
   */
  readonly lines: 'run' | 'single' | 'each';
  /** Behind which classes a word ends at white space in a line; null: behind ASCII alone. */
  readonly words: readonly number[] | null;
  /** Whether words of letters may go on with punctuation. */
  readonly punctuated?: boolean;
}

/** Whether words end between two code points, whatever stands around them. */
export type EndsBetween = (left: number, right: number) => boolean;

export interface PreTokenizer {
  readonly passes: readonly Pass[];
  readonly ends: Ends | EndsBetween;
  /** A word that is a token as a whole is not merged. */
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
  /** Files without merges are right, too: each byte is a token. */
  readonly mergeless?: boolean;
}
