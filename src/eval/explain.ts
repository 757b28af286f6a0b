// Where a question's evidence was kept and where it was lost: for each layer and head, from what
// stays after every block.

/** Tokens [begin, end) of the conversation. */
export type TokenRange = readonly [begin: number, end: number];

export interface Explanation {
  /** Tokens of the evidence. */
  readonly tokens: number;
  /** [layers][kv heads]: share of their rows that the cache held when the question came. */
  readonly kept: readonly (readonly number[])[];
  /**
   * [layers][kv heads]: tokens seen when the share first fell below half; -1 where it never did.
   */
  readonly lost: readonly (readonly number[])[];
}

const HALF = 0.5;

interface Track {
  seen: number;
  kept: number[][];
  lost: number[][];
}

/**
 * Follows the evidence of several questions through the blocks of a conversation, for every
 * episode's cache on its own.
 */
export class EvidenceTrace {
  readonly #spans: readonly (readonly TokenRange[])[];
  #layers: (readonly Int32Array[])[] = [];
  #tracks = new Map<string, Track>();

  /** `spans[q]`: the tokens of question q's evidence. */
  constructor(spans: readonly (readonly TokenRange[])[]) {
    this.#spans = spans;
  }

  /** What a layer kept, head by head: token numbers, ascending. */
  onKept(layer: number, tokens: readonly Int32Array[]): void {
    this.#layers[layer] = tokens;
  }

  /** The block is through; what was kept of it belongs to an episode's cache. */
  onBlock(seen: number, episode: number): void {
    const layers = this.#layers;
    this.#layers = [];
    if (layers.length === 0) return;
    this.#spans.forEach((spans, q) => {
      const said = spans
        .filter(([begin]) => begin < seen)
        .map(([begin, end]): TokenRange => [begin, Math.min(end, seen)]);
      const total = said.reduce((sum, [begin, end]) => sum + end - begin, 0);
      if (total === 0) return;
      const key = `${episode} ${q}`;
      const known = this.#tracks.get(key);
      // a cache that is made again begins at the first token again
      const track =
        known && known.seen < seen
          ? known
          : { seen, kept: [], lost: layers.map((heads) => heads.map(() => -1)) };
      track.seen = seen;
      track.kept = layers.map((heads, layer) =>
        heads.map((tokens, h) => {
          const share = said.reduce((sum, span) => sum + countIn(tokens, span), 0) / total;
          if (share < HALF && track.lost[layer][h] < 0) track.lost[layer][h] = seen;
          return share;
        }),
      );
      this.#tracks.set(key, track);
    });
  }

  /** Undefined where nothing was ever evicted, or the question names no evidence. */
  explain(q: number, episode: number): Explanation | undefined {
    const track = this.#tracks.get(`${episode} ${q}`);
    return (
      track && {
        tokens: this.#spans[q].reduce((sum, [begin, end]) => sum + end - begin, 0),
        kept: track.kept,
        lost: track.lost,
      }
    );
  }
}

function countIn(tokens: Int32Array, [begin, end]: TokenRange): number {
  let count = 0;
  for (const token of tokens) if (token >= begin && token < end) count++;
  return count;
}
