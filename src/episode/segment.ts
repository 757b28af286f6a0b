// A conversation cut into segments: runs of consecutive utterances, the units that are embedded and
// clustered (docs/algorithms.md, 'Segments and clusters').

/** One utterance: its text exactly as the model reads it. */
export interface Utterance {
  readonly text: string;
}

export interface Segment {
  readonly text: string;
  /** Utterances [first, end) that it covers, wholly or (long ones) in part. */
  readonly first: number;
  readonly end: number;
}

/**
 * An utterance longer than this is cut into sentences first, as the paper does with long assistant
 * replies.
 */
const LONG_UTTERANCE_CHARS = 500;

/**
 * Segments of `size` utterances each, in order; the last may be shorter. Utterances of white space
 * alone belong to none.
 */
export function segmentsOf(utterances: readonly Utterance[], size: number): Segment[] {
  const units = utterances.flatMap(({ text }, index) =>
    (text.length > LONG_UTTERANCE_CHARS ? sentencesOf(text) : [text]).map((part) => ({
      text: part,
      index,
    })),
  );
  const spoken = units.filter((u) => u.text.trim() !== '');
  const segments: Segment[] = [];
  for (let at = 0; at < spoken.length; at += size) {
    const part = spoken.slice(at, at + size);
    segments.push({
      text: part.map((u) => u.text).join(''),
      first: part[0].index,
      end: part[part.length - 1].index + 1,
    });
  }
  return segments;
}

/** Sentences with the white space that follows them; joined they are the text again. */
export function sentencesOf(text: string): string[] {
  return text.match(/[^.!?\n]*(?:[.!?\n]+\s*|$)/g)?.filter((s) => s !== '') ?? [text];
}
