// Text to tokens and back, configured from what a GGUF file says of its tokenizer: the tokens are
// those llama.cpp makes. Written here, as @huggingface/tokenizers (0.2.0) has other tokens where a
// string pattern is split, takes `\p{L}` and `\s` from the runtime, keeps 35 MB for a vocabulary of
// 49,152 tokens, and joins in time that grows with the square of a word.
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { Metadata } from './gguf.ts';
import { TextList, textsIn } from './text-list.ts';
import { createBpe, type Encoder } from './tokenizer/bpe.ts';
import { createDecoder, type DecoderOptions } from './tokenizer/decode.ts';
import { createEncoding } from './tokenizer/encoding.ts';
import { createLineBpe, type LineKind, lineKinds } from './tokenizer/line-bpe.ts';
import { checkMerges, wrongMerge } from './tokenizer/merges.ts';
import { preTokenizers } from './tokenizer/pre-tokenizers.ts';
import { Specials } from './tokenizer/specials.ts';
import { createSpm, readScores } from './tokenizer/spm.ts';
import { TextTable } from './tokenizer/text-table.ts';
import { readVocabulary, type Vocabulary } from './tokenizer/vocabulary.ts';

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
  const tables = new Tables(metadata, file);
  const model = String(tables.value('model'));
  const kindOf = models.get(model);
  if (!kindOf) {
    throw new UnsupportedError(
      `${file}: tokenizer '${model}'; supported are gpt2 (BPE), llama (SentencePiece) and gemma4`,
    );
  }
  const texts = readTokens(tables);
  const table = new TextTable(texts);
  const find = (text: string) => table.find(text);
  const vocabulary = readVocabulary(metadata, file, texts, find, model === 'llama');
  const kind = kindOf(tables, table, vocabulary);
  const wantsBos = tables.value('add_bos_token');
  const textOf = (id: number | undefined) => (id === undefined ? '' : texts.at(id));
  const decoder = createDecoder(vocabulary, kind);
  return {
    ...createEncoding(kind.make, new Specials(vocabulary.specials)),
    decode: (tokens, special = false) => decoder.decode(tokens, special),
    stream: decoder.stream,
    endTokens: vocabulary.endTokens,
    bosToken: vocabulary.bosToken,
    addBos: kind.addBos === 'always' || (typeof wantsBos === 'boolean' ? wantsBos : kind.addBos),
    bosText: textOf(vocabulary.bosToken),
    eosText: textOf(vocabulary.eosToken),
  };
}

/** What a file says of its tokenizer. */
class Tables {
  readonly file: string;
  readonly #metadata: Metadata;

  constructor(metadata: Metadata, file: string) {
    this.#metadata = metadata;
    this.file = file;
  }

  has(name: string): boolean {
    return `tokenizer.ggml.${name}` in this.#metadata;
  }

  value(name: string): unknown {
    return this.#metadata[`tokenizer.ggml.${name}`];
  }

  /** Throws ModelFormatError for a list that is missing or empty. */
  list(name: string): unknown[] {
    const value = this.value(name);
    if (!Array.isArray(value) || value.length === 0)
      throw new ModelFormatError(
        `${this.file}: metadata 'tokenizer.ggml.${name}' is missing or empty`,
      );
    return value;
  }

  /** The same of texts; throws `wrong` of the first that is none. */
  texts(name: string, wrong: (index: number, found: unknown) => Error): TextList {
    const texts = textsIn(this.#metadata, `tokenizer.ggml.${name}`);
    if (texts && texts.length > 0) return texts;
    const items = this.list(name);
    const odd = items.findIndex((item) => typeof item !== 'string');
    if (odd >= 0) throw wrong(odd, items[odd]);
    return TextList.of(items as string[]);
  }
}

/** What makes an encoder, and how its tokens are read. */
interface EncoderKind extends DecoderOptions {
  readonly make: () => Encoder;
  /** Whether models want a BOS where the file does not say, or always. */
  readonly addBos: boolean | 'always';
}

type KindOf = (tables: Tables, table: TextTable, vocabulary: Vocabulary) => EncoderKind;

const sentencePiece: KindOf = (tables, table, { texts, unknownToken: unknown }) => {
  const scores = readScores(tables.list('scores'), texts.length, tables.file);
  const prefix = tables.value('add_space_prefix') !== false;
  const make = () => createSpm(texts, table, { scores, prefix, unknown });
  return { make, addBos: true, byteLevel: false, prefix };
};

const lines = (tables: Tables, table: TextTable, tokens: number, kind: LineKind): EncoderKind => {
  const merges = readMerges(tables);
  const make = () => createLineBpe(tokens, table, merges, kind);
  return { make, addBos: kind.addBos ? 'always' : false, byteLevel: false, prefix: false };
};

/** The pre-tokenizer's name says which kind of BPE it is. */
const bpe: KindOf = (tables, table, { texts }) => {
  // an empty name is none
  const name = String(tables.value('pre') ?? '') || 'default';
  const lineKind = lineKinds.get(name);
  if (lineKind) return lines(tables, table, texts.length, lineKind);
  const kind = preTokenizers.get(name);
  if (!kind)
    throw new UnsupportedError(
      `${tables.file}: pre-tokenizer '${name}'; supported are ` +
        `${[...preTokenizers.keys(), ...lineKinds.keys()].join(', ')}`,
    );
  const none = kind.mergeless && !tables.has('merges');
  const merges = none ? new TextList(0) : readMerges(tables);
  const make = () => createBpe(texts.length, table, merges, kind);
  return { make, addBos: kind.addBos ?? false, byteLevel: true, prefix: false };
};

const models: ReadonlyMap<string, KindOf> = new Map([
  ['llama', sentencePiece],
  ['gpt2', bpe],
  [
    'gemma4',
    (tables, table, { texts }) => lines(tables, table, texts.length, lineKinds.get('gemma4')!),
  ],
]);

/**
 * The tokens' texts; an empty one is called by its number, as it could not be told from nothing.
 */
function readTokens(tables: Tables): TextList {
  const texts = tables.texts(
    'tokens',
    (id, found) =>
      new ModelFormatError(
        `${tables.file}: token ${id} of the vocabulary is ${typeof found}, expected text`,
      ),
  );
  for (let id = 0; id < texts.length; id++)
    if (texts.byteLength(id) === 0)
      return TextList.of([...texts].map((text, i) => text || `[EMPTY_${i}]`));
  return texts;
}

function readMerges(tables: Tables): TextList {
  const wrong = (rank: number, found: unknown) => wrongMerge(rank, found, tables.file);
  return checkMerges(tables.texts('merges', wrong), tables.file);
}
