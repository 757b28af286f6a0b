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

/** What layers kept when each was cut last: layers with a window may be cut alone. */
interface Held {
  seen: number;
  readonly layers: Map<number, { readonly heads: readonly Int32Array[]; readonly seen: number }>;
}

/**
 * Follows the evidence of several questions through the blocks of a conversation, for every
 * episode's cache on its own.
 */
export class EvidenceTrace {
  readonly #spans: readonly (readonly TokenRange[])[];
  #told = new Map<number, readonly Int32Array[]>();
  readonly #held = new Map<number, Held>();
  readonly #tracks = new Map<string, Track>();

  /** `spans[q]`: the tokens of question q's evidence. */
  constructor(spans: readonly (readonly TokenRange[])[]) {
    this.#spans = spans;
  }

  /** What a layer kept, head by head: token numbers, ascending. */
  onKept(layer: number, tokens: readonly Int32Array[]): void {
    this.#told.set(layer, tokens);
  }

  /** The block is through; what was kept of it belongs to an episode's cache. */
  onBlock(seen: number, episode: number): void {
    const told = this.#told;
    this.#told = new Map();
    if (told.size === 0) return;
    const known = this.#held.get(episode);
    // a cache that is made again begins at the first token again
    const held = known && known.seen < seen ? known : { seen, layers: new Map() };
    held.seen = seen;
    for (const [layer, heads] of told) held.layers.set(layer, { heads, seen });
    this.#held.set(episode, held);
    for (const q of this.#spans.keys()) this.#follow(q, episode, held);
  }

  #follow(q: number, episode: number, { seen, layers }: Held): void {
    const said = this.#spans[q]
      .filter(([begin]) => begin < seen)
      .map(([begin, end]): TokenRange => [begin, Math.min(end, seen)]);
    const total = said.reduce((sum, [begin, end]) => sum + end - begin, 0);
    if (total === 0) return;
    const key = `${episode} ${q}`;
    const known = this.#tracks.get(key);
    const { lost } = known && known.seen < seen ? known : { lost: [] };
    const count = Math.max(...layers.keys()) + 1;
    // (a layer that keeps no rows, or was not cut yet, has no heads here)
    const kept = Array.from({ length: count }, (_, layer) => {
      const own = layers.get(layer);
      return (own?.heads ?? []).map((tokens) => {
        const shares = said.map((span) => countIn(tokens, span) + countSince(own!.seen, span));
        return shares.reduce((sum, rows) => sum + rows, 0) / total;
      });
    });
    const lostAt = kept.map((heads, layer) =>
      heads.map((share, h) => {
        const before = lost[layer]?.[h] ?? -1;
        return share < HALF && before < 0 ? seen : before;
      }),
    );
    this.#tracks.set(key, { seen, kept, lost: lostAt });
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

/** Tokens of a span that came since a layer was cut: it has all of them. */
const countSince = (seen: number, [begin, end]: TokenRange): number =>
  Math.max(0, end - Math.max(begin, seen));
