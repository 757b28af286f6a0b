// The tokens of words that came lately. Bounded: full, it starts anew.

/** Words that are kept, and the longest that is: some hundred KB at most. */
const WORDS = 2048;
const LONGEST = 32;

export class WordCache {
  #words = new Map<string, readonly number[]>();

  get(word: string): readonly number[] | undefined {
    return word.length <= LONGEST ? this.#words.get(word) : undefined;
  }

  set(word: string, tokens: readonly number[]): readonly number[] {
    if (word.length > LONGEST) return tokens;
    if (this.#words.size >= WORDS) this.#words = new Map();
    // a slice would keep the whole text it came from alive
    this.#words.set(detached(word), tokens);
    return tokens;
  }
}

const detached = (word: string): string => JSON.parse(JSON.stringify(word)) as string;
