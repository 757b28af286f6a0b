// Finds special tokens that are written in a text. As llama.cpp does it: the longest token first
// over the whole text, each from left to right in what the longer ones left. Only where occurrences
// overlap does that order matter, so a text is read once, by an automaton over all specials, and
// the order is kept within each cluster of overlapping occurrences.
import { someUnitAt } from './unicode.ts';

/**
 * A special token found in a text, and what it takes out of it: its own text and white space that
 * it strips.
 */
export interface Cut {
  readonly id: number;
  readonly begin: number;
  readonly end: number;
}

export interface SpecialTokens {
  /** Longest (in UTF-8) first. */
  readonly ids: readonly number[];
  readonly texts: ReadonlyMap<number, string>;
  /** Tokens that take white space on their left or right with them. */
  readonly stripsLeft: ReadonlySet<number>;
  readonly stripsRight: ReadonlySet<number>;
}

const UNITS = 0x10000;
const isStripped = (unit: number) => unit === 0x20 || (unit >= 9 && unit <= 13);

export class Specials {
  readonly #tokens: SpecialTokens;
  /** Whether white space around a token can be taken out with it. */
  readonly strips: boolean;
  /** Two units that stand side by side in some special, and units that one begins or ends with. */
  readonly #pairs = new Set<number>();
  readonly #heads = new Set<number>();
  readonly #tails = new Set<number>();
  readonly #continued = new Set<number>();
  readonly #priorities = new Map<number, number>();
  #automaton: Automaton | undefined;

  constructor(tokens: SpecialTokens) {
    this.#tokens = tokens;
    this.strips = tokens.stripsLeft.size + tokens.stripsRight.size > 0;
    for (const [priority, id] of tokens.ids.entries()) {
      const text = tokens.texts.get(id)!;
      this.#priorities.set(id, priority);
      for (let i = 0; i + 1 < text.length; i++) {
        this.#pairs.add(text.charCodeAt(i) * UNITS + text.charCodeAt(i + 1));
        this.#continued.add(text.charCodeAt(i));
      }
      this.#heads.add(text.charCodeAt(0));
      this.#tails.add(text.charCodeAt(text.length - 1));
    }
  }

  /** Whether a special token could lie across `at`, whatever stands behind `end`. */
  mayCross(text: string, at: number, end: number): boolean {
    if (at === 0) return false;
    return someUnitAt(text, at - 1, (left) =>
      at < end
        ? someUnitAt(text, at, (right) => this.#pairs.has(left * UNITS + right))
        : this.#continued.has(left),
    );
  }

  /**
   * The special token that ends at `at`, a place that none lies across. Looks back over what a
   * token could reach, no further.
   */
  endingAt(text: string, at: number): Cut | undefined {
    if (at === 0 || !someUnitAt(text, at - 1, (tail) => this.#tails.has(tail))) return undefined;
    let begin = at - 1;
    while (this.mayCross(text, begin, at)) begin--;
    const found = this.find(text, begin, at).at(-1);
    return found?.end === at ? found : undefined;
  }

  /** Whether a token takes white space behind it away. */
  stripsRight(id: number): boolean {
    return this.#tokens.stripsRight.has(id);
  }

  /** All special tokens in units [begin, end), in order. */
  find(text: string, begin: number, end: number): Cut[] {
    const cuts: Cut[] = [];
    if (this.#tokens.ids.length === 0) return cuts;
    let state = 0;
    let from = -1; // the cluster at hand
    let to = -1;
    let ids: number[] = [];
    const seen = new Set<number>();
    const close = () => {
      if (this.strips) return; // white space joins clusters: all of the text is one
      this.#resolve(text, from, to, ids, cuts);
      from = -1;
      ids = [];
      seen.clear();
    };
    for (let i = begin; i < end; i++) {
      const unit = text.charCodeAt(i);
      if (state === 0 && !this.#heads.has(unit)) continue;
      const automaton = (this.#automaton ??= new Automaton(this.#tokens));
      state = automaton.step(state, unit);
      let match = automaton.matchOf(state);
      if (match > 0) {
        const start = i + 1 - automaton.depth(match);
        from = from < 0 ? start : Math.min(from, start);
        to = i + 1;
        for (; match > 0 && !seen.has(match); match = automaton.shorterMatch(match)) {
          seen.add(match);
          ids.push(automaton.token(match));
        }
      }
      if (from >= 0 && i + 1 - automaton.depth(state) >= to) close();
    }
    if (from >= 0 && !this.strips) close();
    if (this.strips && ids.length > 0) this.#resolve(text, begin, end, ids, cuts);
    return cuts;
  }

  /** Keeps the order of the longest first in a stretch that no occurrence leaves. */
  #resolve(text: string, begin: number, end: number, ids: number[], cuts: Cut[]): void {
    const { texts } = this.#tokens;
    if (ids.length === 1 && texts.get(ids[0])!.length === end - begin && !this.strips) {
      cuts.push({ id: ids[0], begin, end });
      return;
    }
    const stretch = text.slice(begin, end);
    const found: Cut[] = [];
    let gaps = [0, stretch.length];
    for (const id of ids.sort((a, b) => this.#priorities.get(a)! - this.#priorities.get(b)!)) {
      const word = texts.get(id)!;
      const left: number[] = [];
      let at = -1;
      for (let gap = 0; gap < gaps.length; gap += 2) {
        let from = gaps[gap];
        const to = gaps[gap + 1];
        for (;;) {
          if (at < from) at = stretch.indexOf(word, from);
          if (at < 0) at = Infinity;
          if (at + word.length > to) break;
          let first = at;
          let last = at + word.length;
          if (this.#tokens.stripsLeft.has(id))
            while (first > from && isStripped(stretch.charCodeAt(first - 1))) first--;
          if (this.#tokens.stripsRight.has(id))
            while (last < to && isStripped(stretch.charCodeAt(last))) last++;
          if (first > from) left.push(from, first);
          found.push({ id, begin: begin + first, end: begin + last });
          from = last;
        }
        if (from < to) left.push(from, to);
      }
      gaps = left;
    }
    found.sort((a, b) => a.begin - b.begin);
    for (const cut of found) cuts.push(cut);
  }
}

/** Aho and Corasick's: a state is the longest end of what was read that some token begins with. */
class Automaton {
  readonly #goto = new Map<number, number>();
  readonly #depths: number[] = [0];
  readonly #tokens: number[] = [-1];
  readonly #fails: Int32Array;
  /**
   * Of each state the one whose token is the longest that ends there: itself or one it fails to; 0
   * for none.
   */
  readonly #matches: Int32Array;

  constructor({ ids, texts }: SpecialTokens) {
    const parents = [0];
    const units = [0];
    for (const id of ids) {
      let state = 0;
      const text = texts.get(id)!;
      for (let i = 0; i < text.length; i++) {
        const key = state * UNITS + text.charCodeAt(i);
        let next = this.#goto.get(key);
        if (next === undefined) {
          next = this.#depths.length;
          this.#goto.set(key, next);
          this.#depths.push(i + 1);
          this.#tokens.push(-1);
          parents.push(state);
          units.push(text.charCodeAt(i));
        }
        state = next;
      }
      if (this.#tokens[state] < 0) this.#tokens[state] = id;
    }
    this.#fails = new Int32Array(parents.length);
    this.#matches = new Int32Array(parents.length);
    const order = parents
      .map((_, state) => state)
      .sort((a, b) => this.#depths[a] - this.#depths[b]);
    for (const state of order.slice(1)) {
      const fail = parents[state] === 0 ? 0 : this.step(this.#fails[parents[state]], units[state]);
      this.#fails[state] = fail;
      this.#matches[state] = this.#tokens[state] >= 0 ? state : this.#matches[fail];
    }
  }

  step(state: number, unit: number): number {
    for (let from = state; ; from = this.#fails[from]) {
      const next = this.#goto.get(from * UNITS + unit);
      if (next !== undefined) return next;
      if (from === 0) return 0;
    }
  }

  depth(state: number): number {
    return this.#depths[state];
  }

  matchOf(state: number): number {
    return this.#matches[state];
  }

  shorterMatch(match: number): number {
    return this.#matches[this.#fails[match]];
  }

  token(match: number): number {
    return this.#tokens[match];
  }
}
