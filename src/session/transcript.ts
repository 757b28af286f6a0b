// The whole text of a conversation and its tokens: those of the text encoded at once, whatever it
// was made of in how many calls. What changed of the text is encoded anew, from the last place
// before it that no change behind can reach (Tokenizer.boundary). It knows no template.
//
//   chunks of text:  [ chunk 0 ][ chunk 1 ] ... [ tail ]
//     each begins at such a place, and knows how many tokens stand before it
import { IntList } from '../math/int-list.ts';
import type { Tokenizer } from '../model/tokenizer.ts';

interface Chunk {
  text: string;
  /** Where it begins: characters, and tokens. */
  readonly from: number;
  readonly index: number;
  /** Its beginning is a boundary of every text that agrees with this one up to here. */
  readonly reach: number;
}

/**
 * What another text would change: its first `shared` characters and the tokens before `same` stay,
 * `tokens` follow them.
 */
export interface Change {
  readonly shared: number;
  readonly same: number;
  readonly tokens: readonly number[];
}

/** Characters of a chunk from which the next one begins. */
const CHUNK_CHARS = 2048;
/** Characters before a boundary that the tokenizer is shown: more than any special token has. */
const CONTEXT_CHARS = 256;

export class Transcript {
  readonly #tokenizer: Tokenizer;
  readonly ids = new IntList();
  #chunks: Chunk[] = [{ text: '', from: 0, index: 0, reach: 0 }];

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** Characters. */
  get chars(): number {
    const { from, text } = this.#tail;
    return from + text.length;
  }

  get #tail(): Chunk {
    return this.#chunks[this.#chunks.length - 1];
  }

  /** What would change if this were the text. */
  compare(text: string): Change {
    return this.#compare(text).change;
  }

  /** Takes a text in the place of this one. Returns what changed. */
  replace(text: string): Change {
    const { place, change } = this.#compare(text);
    const chunk = this.#chunks[place];
    this.#chunks.length = place;
    this.#chunks.push({ ...chunk, text: ownString(text.slice(chunk.from)) });
    return this.#take(change);
  }

  /** Takes text in behind this one. Returns what changed. */
  append(text: string): Change {
    const { chars } = this;
    const tail = this.#tail;
    tail.text += text;
    const tokens = this.#tokensOf(tail.text, this.#before(this.#chunks.length - 1));
    return this.#take(this.#difference(chars, tail.index, tokens));
  }

  /** How many tokens stand before a character, or end in it. */
  indexAt(char: number): number {
    let [low, high] = [0, this.#chunks.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#chunks[middle].from <= char) low = middle;
      else high = middle;
    }
    const { text, from, index } = this.#chunks[low];
    if (char >= this.chars) return this.ids.length;
    return char <= from
      ? index
      : index + this.#tokensOf(text.slice(0, char - from), this.#before(low)).length;
  }

  /** What another text would change, and the chunk from which on it is encoded. */
  #compare(text: string): { place: number; change: Change } {
    const shared = this.#shared(text);
    // the last chunk whose beginning stays a boundary where those characters do
    let place = this.#chunks.length - 1;
    while (place > 0 && this.#chunks[place].reach > shared) place--;
    const { from, index } = this.#chunks[place];
    const context = text.slice(Math.max(0, from - CONTEXT_CHARS), from);
    return {
      place,
      change: this.#difference(shared, index, this.#tokensOf(text.slice(from), context)),
    };
  }

  /** Characters that another text shares with this one at its beginning. */
  #shared(text: string): number {
    for (const chunk of this.#chunks) {
      if (text.startsWith(chunk.text, chunk.from)) continue;
      return (
        chunk.from +
        sharedLength(chunk.text, text.slice(chunk.from, chunk.from + chunk.text.length))
      );
    }
    return this.chars;
  }

  /** Tokens of text behind a context that ends at a boundary; '' where it is the beginning. */
  #tokensOf(text: string, context: string): readonly number[] {
    const { addBos, bosToken, bosText } = this.#tokenizer;
    if (context !== '') return this.#tokenizer.encodeFrom(context + text, context.length);
    if (text === '') return [];
    const tokens = this.#tokenizer.encode(text);
    // exactly one BOS where the model wants one: the template's own, or this
    return addBos && bosToken !== undefined && !(bosText !== '' && text.startsWith(bosText))
      ? [bosToken].concat(tokens)
      : tokens;
  }

  /** What stands before a chunk. */
  #before(place: number): string {
    let context = '';
    for (let i = place - 1; i >= 0 && context.length < CONTEXT_CHARS; i--)
      context = this.#chunks[i].text.slice(-CONTEXT_CHARS) + context;
    return context.slice(-CONTEXT_CHARS);
  }

  #difference(shared: number, index: number, tokens: readonly number[]): Change {
    let same = 0;
    while (
      same < tokens.length &&
      index + same < this.ids.length &&
      this.ids.at(index + same) === tokens[same]
    )
      same++;
    return { shared, same: index + same, tokens: tokens.slice(same) };
  }

  #take(change: Change): Change {
    this.ids.truncate(change.same);
    this.ids.push(change.tokens);
    this.#settle();
    return change;
  }

  /** Lets the tail begin as late as it can. */
  #settle(): void {
    const place = this.#chunks.length - 1;
    const tail = this.#chunks[place];
    const context = this.#before(place);
    const cut =
      this.#tokenizer.boundary(context + tail.text, context.length + tail.text.length) -
      context.length;
    if (cut <= 0) return;
    const rest = tail.text.slice(cut);
    const head = tail.text.slice(0, cut);
    const index =
      this.ids.length - this.#tokensOf(rest, (context + head).slice(-CONTEXT_CHARS)).length;
    const next = { text: rest, from: tail.from + cut, index, reach: this.chars };
    const before = this.#chunks[place - 1];
    // small pieces lie together; their own beginnings are not needed
    if (before && before.text.length < CHUNK_CHARS) {
      before.text += head;
      this.#chunks[place] = next;
    } else {
      tail.text = head;
      this.#chunks.push(next);
    }
  }
}

/** The same text in memory of its own: a slice keeps the whole text alive that it was cut from. */
function ownString(text: string): string {
  return JSON.parse(JSON.stringify(text));
}

/** How many characters two texts share at their beginning. */
export function sharedLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
