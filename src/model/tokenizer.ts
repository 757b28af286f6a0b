// Text to tokens and back, configured from what a GGUF file says of its tokenizer: the tokens are
// those llama.cpp makes. Written here, as @huggingface/tokenizers (0.2.0) has other tokens where a
// string pattern is split, takes `\p{L}` and `\s` from the runtime, keeps 35 MB for a vocabulary of
// 49,152 tokens, and joins in time that grows with the square of a word.
import { ModelFormatError, OptionError, UnsupportedError } from '../errors.ts';
import type { Metadata } from './gguf.ts';
import { checkMerges, createBpe, type Encoder } from './tokenizer/bpe.ts';
import { createDecoder } from './tokenizer/decode.ts';
import { preTokenizers } from './tokenizer/pre-tokenizers.ts';
import { Specials } from './tokenizer/specials.ts';
import { createSpm, readScores } from './tokenizer/spm.ts';
import { TextTable } from './tokenizer/text-table.ts';
import { wellFormed } from './tokenizer/unicode.ts';
import { readVocabulary } from './tokenizer/vocabulary.ts';

export interface Tokenizer {
  /**
   * Tokens of a text. Special tokens written in it are honoured; no BOS is added. Takes time in
   * proportion to the text. Halves of surrogate pairs are read as U+FFFD. Throws OptionError for
   * what is no text.
   */
  encode(text: string): number[];
  /**
   * A place in a text, `at` or a little before it, at which encoding can stop and go on later: the
   * tokens of any text that begins as this one does up to `at` are those of what lies before the
   * place, followed by those that `encodeFrom` gives. Looks back from `at` only as far as that
   * place, in prose some words; 0 where a text has none.
   *
   *     const b = tokenizer.boundary(text, text.length);
   *     [...encode(text.slice(0, b)), ...encodeFrom(text + more, b)] // encode(text + more)
   */
  boundary(text: string, at: number): number;
  /** Tokens of what stands in a text from a boundary on. */
  encodeFrom(text: string, from: number): number[];
  /** The text of tokens, special ones included only where `special` is true (default false). */
  decode(tokens: readonly number[], special?: boolean): string;
  /**
   * Turns a stream of tokens into pieces of text, never cutting a character; together they are what
   * `decode` gives for all.
   */
  stream(): { push(token: number): string; end(): string };
  /** Tokens that end a reply. */
  readonly endTokens: ReadonlySet<number>;
  readonly bosToken: number | undefined;
  /** Whether the model wants a BOS in front of a conversation. */
  readonly addBos: boolean;
  /** The text of a special token, '' where there is none. */
  readonly bosText: string;
  readonly eosText: string;
}

/**
 * Builds the tokenizer of a file. Throws UnsupportedError for a kind we don't have,
 * ModelFormatError for missing or broken tables.
 */
export function createTokenizer(metadata: Metadata, file: string): Tokenizer {
  const key = (name: string) => metadata[`tokenizer.ggml.${name}`];
  const list = (name: string): unknown[] => {
    const value = key(name);
    if (!Array.isArray(value) || value.length === 0)
      throw new ModelFormatError(`${file}: metadata 'tokenizer.ggml.${name}' is missing or empty`);
    return value;
  };
  const model = String(key('model'));
  const sentencePiece = model === 'llama';
  if (!sentencePiece && model !== 'gpt2') {
    throw new UnsupportedError(
      `${file}: tokenizer '${model}'; supported are gpt2 (byte-level BPE) and llama ` +
        '(SentencePiece)',
    );
  }
  const texts = readTexts(list('tokens'), file);
  const table = new TextTable(texts);
  const vocabulary = readVocabulary(
    metadata,
    file,
    texts,
    (text) => table.find(text),
    sentencePiece,
  );
  const prefix = sentencePiece && key('add_space_prefix') !== false;
  let addBos = sentencePiece;
  let makeEncoder: () => Encoder;
  if (sentencePiece) {
    const scores = readScores(list('scores'), texts.length, file);
    makeEncoder = () =>
      createSpm(texts, table, { scores, prefix, unknown: vocabulary.unknownToken });
  } else {
    const name = String(key('pre') ?? 'default');
    const kind = preTokenizers.get(name);
    if (!kind)
      throw new UnsupportedError(
        `${file}: pre-tokenizer '${name}'; supported are ${[...preTokenizers.keys()].join(', ')}`,
      );
    addBos = kind.addBos ?? false;
    const merges = checkMerges(list('merges'), file);
    makeEncoder = () => createBpe(texts, table, merges, kind);
  }

  // what encoding needs is made when it is first needed
  let encoder: Encoder | undefined;
  const specials = new Specials(vocabulary.specials);
  /**
   * Appends the tokens of a well-formed text. `opens`: nothing or a special token stands before it.
   */
  const encodeText = (text: string, opens: boolean): number[] => {
    encoder ??= makeEncoder();
    const out: number[] = [];
    let from = 0;
    for (const { id, begin, end } of specials.find(text, 0, text.length)) {
      encoder.encode(text.slice(from, begin), opens, out);
      out.push(id);
      from = end;
      opens = true;
    }
    encoder.encode(text.slice(from), opens, out);
    return out;
  };
  const checkPlace = (text: string, name: string, at: number) => {
    checkText(text);
    if (!(Number.isInteger(at) && at >= 0 && at <= text.length)) {
      throw new OptionError(
        `'${name}' is ${at}, expected a place in a text of ${text.length} units`,
      );
    }
  };

  const wantsBos = key('add_bos_token');
  const textOf = (id: number | undefined) => (id === undefined ? '' : texts[id]);
  const decoder = createDecoder(vocabulary, { byteLevel: !sentencePiece, prefix });
  return {
    encode: (text) => encodeText(wellFormed(checkText(text)), true),
    boundary(text, at) {
      checkPlace(text, 'at', at);
      encoder ??= makeEncoder();
      for (let place = at; place > 0; place--) {
        if (specials.mayCross(text, place, at)) continue;
        // a special token may yet take it away
        if (specials.strips && isWhite(text.charCodeAt(place - 1))) continue;
        // behind a special token a text begins anew
        if (encoder.cutsAt(text, place, at) || specials.endingAt(text, place)) return place;
      }
      return 0;
    },
    encodeFrom(text, from) {
      checkPlace(text, 'from', from);
      const before = specials.endingAt(text, from);
      let rest = text.slice(from);
      if (before && specials.stripsRight(before.id)) rest = rest.replace(/^[ \t-\r]+/, '');
      return encodeText(wellFormed(rest), from === 0 || before !== undefined);
    },
    decode: (tokens, special = false) => decoder.decode(tokens, special),
    stream: decoder.stream,
    endTokens: vocabulary.endTokens,
    bosToken: vocabulary.bosToken,
    addBos: typeof wantsBos === 'boolean' ? wantsBos : addBos,
    bosText: textOf(vocabulary.bosToken),
    eosText: textOf(vocabulary.eosToken),
  };
}

const isWhite = (unit: number) => unit === 0x20 || (unit >= 9 && unit <= 13);

function checkText(text: unknown): string {
  if (typeof text !== 'string')
    throw new OptionError(
      `text to encode is ${text === null ? 'null' : `of type ${typeof text}`}, expected a string`,
    );
  return text;
}

/**
 * The tokens' texts; an empty one is called by its number, as it could not be told from nothing.
 */
function readTexts(tokens: readonly unknown[], file: string): readonly string[] {
  const odd = tokens.findIndex((token) => typeof token !== 'string');
  if (odd >= 0)
    throw new ModelFormatError(
      `${file}: token ${odd} of the vocabulary is ${typeof tokens[odd]}, expected text`,
    );
  if (!tokens.includes('')) return tokens as readonly string[];
  return (tokens as readonly string[]).map((text, id) => (text === '' ? `[EMPTY_${id}]` : text));
}
