// Recall: what was evicted can be read again. Segments that are like a question and have lost most
// of their rows are forwarded again before it, into rows that are reserved for them, and taken back
// after the answer (docs/algorithms.md, 'Recall').
import type { TokenSpan } from '../backend/cache.ts';
import type { History } from './history.ts';
import type { SegmentIndex } from './segment-index.ts';

/** Segments of which a larger share of the rows is still held are not recalled. */
const HELD = 0.5;
/** Most segments looked at: those behind are hardly more alike than chance. */
const MOST_SEGMENTS = 256;

export interface Recalled {
  /** Segments, in the order they were said. */
  readonly segments: readonly number[];
  readonly tokens: readonly number[];
}

/** The tokens before and behind plain text: a message of the model's template. */
export type Frame = readonly [opening: readonly number[], closing: readonly number[]];

/**
 * Chooses segments for a question, the most alike first, until `rows` tokens are used up, frames
 * included: plain text gets one around each run of it, messages bring their own. `held` tells which
 * share of the rows of each span of tokens is still there; where all is, nothing is recalled.
 */
export async function recall(
  question: string,
  rows: number,
  index: SegmentIndex,
  history: History,
  held: (spans: readonly TokenSpan[]) => Promise<number[]>,
  encode: (text: string) => number[],
  frame: Frame,
): Promise<Recalled> {
  await index.extend(history);
  const ranked = index.rank(await index.ask(question));
  const texts = new Map<number, { tokens: number[]; plain: boolean }>();
  let chosen: Recalled = { segments: [], tokens: [] };
  const looked = ranked.slice(0, MOST_SEGMENTS).map((i) => ({ i, said: index.saidIn(i, history) }));
  const shares = await held(
    looked.map(({ said }) => [said[0].begin, said[said.length - 1].end] as const),
  );
  for (const [place, { i, said }] of looked.entries()) {
    if (shares[place] > HELD) continue;
    texts.set(i, { tokens: encode(index.segments[i].text), plain: said[0].plain });
    const segments = [...chosen.segments, i].sort((a, b) => a - b);
    const tokens = framed(
      segments.map((s) => texts.get(s)!),
      frame,
    );
    if (tokens.length <= rows) chosen = { segments, tokens };
    // the best of all is cut rather than left out
    else if (chosen.segments.length === 0) return { segments, tokens: tokens.slice(0, rows) };
  }
  return chosen;
}

function framed(
  texts: readonly { readonly tokens: readonly number[]; readonly plain: boolean }[],
  [opening, closing]: Frame,
): number[] {
  return texts.flatMap(({ tokens, plain }, i) => {
    const begins = plain && !texts[i - 1]?.plain;
    const ends = plain && !texts[i + 1]?.plain;
    return [...(begins ? opening : []), ...tokens, ...(ends ? closing : [])];
  });
}
