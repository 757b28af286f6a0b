// Text to tokens and back, through @huggingface/tokenizers, configured from what a GGUF file says of its tokenizer.
import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers';
import { ModelFormatError, UnsupportedError } from '../errors.ts';
import type { Metadata } from './gguf.ts';

export interface Tokenizer {
  /** Tokens of a text. Special tokens written in it are honoured; no BOS is added. */
  encode(text: string): number[];
  /** A place b <= at such that every text that begins with text[0, at) has the tokens of text[0, b), then encodeFrom(text, b). */
  boundary(text: string, at: number): number;
  /** Tokens of text[from ..), `from` being such a place. */
  encodeFrom(text: string, from: number): number[];
  /** The text of tokens, special ones included only where `special` is true (default false). */
  decode(tokens: readonly number[], special?: boolean): string;
  /** Turns a stream of tokens into pieces of text, never cutting a character. */
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

const LLAMA3_SPLIT = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const split = (pattern: string) => ({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false });
const byteLevel = (useRegex: boolean) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex });

/** Pre-tokenizers by GGUF's name: how a text falls into words before merging. */
const preTokenizers: Readonly<Record<string, { steps: object[]; ignoreMerges?: boolean; addBos?: boolean }>> = {
  'gpt-2': { steps: [byteLevel(true)] },
  'llama-bpe': { steps: [split(LLAMA3_SPLIT('{1,3}')), byteLevel(false)], ignoreMerges: true, addBos: true },
  qwen2: { steps: [split(LLAMA3_SPLIT('')), byteLevel(false)] },
  smollm: { steps: [{ type: 'Digits', individual_digits: true }, byteLevel(true)] },
};

/** Token types of GGUF that are recognised as a whole in any text. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** Texts by which models end a turn, beside the token the file names. */
const END_OF_TURN = ['<|im_end|>', '<|eot_id|>', '<|end|>', '<|endoftext|>', '<|end_of_text|>', '</s>', '<end_of_turn>'];

/** Builds the tokenizer of a file. Throws UnsupportedError for a kind we don't have, ModelFormatError for missing or broken tables. */
export function createTokenizer(metadata: Metadata, file: string): Tokenizer {
  const key = (name: string) => metadata[`tokenizer.ggml.${name}`];
  const list = (name: string): unknown[] => {
    const value = key(name);
    if (!Array.isArray(value) || value.length === 0) throw new ModelFormatError(`${file}: metadata 'tokenizer.ggml.${name}' is missing or empty`);
    return value;
  };
  const model = String(key('model'));
  const tokens = list('tokens') as string[];
  const odd = tokens.findIndex((t) => typeof t !== 'string');
  if (odd >= 0) throw new ModelFormatError(`${file}: token ${odd} of the vocabulary is ${typeof tokens[odd]}, expected text`);
  const types = Array.isArray(key('token_type')) ? (key('token_type') as unknown[]).map(Number) : tokens.map(() => 1);
  const idOf = (name: string): number | undefined => {
    const id = key(name);
    if (id === undefined) return undefined;
    if (!(Number(id) >= 0 && Number(id) < tokens.length))
      throw new ModelFormatError(`${file}: tokenizer.ggml.${name} is ${id}, the vocabulary has ${tokens.length} tokens`);
    return Number(id);
  };
  const bosToken = idOf('bos_token_id');
  const eosToken = idOf('eos_token_id');
  const vocab: Record<string, number> = Object.create(null);
  for (let id = tokens.length - 1; id >= 0; id--) vocab[tokens[id]] = id; // the first of equal texts wins
  // vocabularies are large: nothing is made for each token that is not needed for each
  const added: { id: number; content: string; special: boolean; lstrip: boolean; rstrip: boolean; normalized: boolean; single_word: boolean }[] = [];
  for (let id = 0; id < tokens.length; id++) {
    if ((types[id] !== CONTROL && types[id] !== USER_DEFINED) || tokens[id].length === 0) continue;
    added.push({ id, content: tokens[id], special: types[id] === CONTROL, lstrip: false, rstrip: false, normalized: false, single_word: false });
  }

  let json: object;
  let addBos: boolean;
  if (model === 'gpt2') {
    const name = String(key('pre') ?? 'missing');
    const pre = preTokenizers[name];
    if (!pre) throw new UnsupportedError(`${file}: pre-tokenizer '${name}'; supported are ${Object.keys(preTokenizers).join(', ')}`);
    const merges = list('merges').map((m) => {
      const at = String(m).indexOf(' ', 1); // a merge's left side may not be empty, but may begin with what looks like a space
      return [String(m).slice(0, at), String(m).slice(at + 1)];
    });
    addBos = pre.addBos ?? false;
    json = {
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: pre.steps },
      post_processor: null,
      decoder: byteLevel(true),
      model: { type: 'BPE', vocab, merges, ignore_merges: pre.ignoreMerges ?? false, fuse_unk: false, byte_fallback: false, unk_token: null },
    };
  } else if (model === 'llama') {
    addBos = true;
    const prefix = key('add_space_prefix') !== false;
    json = {
      added_tokens: added,
      normalizer: {
        type: 'Sequence',
        normalizers: [...(prefix ? [{ type: 'Prepend', prepend: '▁' }] : []), { type: 'Replace', pattern: { String: ' ' }, content: '▁' }],
      },
      pre_tokenizer: null,
      post_processor: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
        ],
      },
      model: {
        type: 'BPE',
        vocab,
        merges: mergesOfScores(tokens, vocab, list('scores').map(Number), types),
        byte_fallback: true,
        fuse_unk: true,
        unk_token: tokens[idOf('unknown_token_id') ?? 0],
      },
    };
  } else {
    throw new UnsupportedError(`${file}: tokenizer '${model}'; supported are gpt2 (byte-level BPE) and llama (SentencePiece)`);
  }

  const textOf = (id: number | undefined) => (id === undefined ? '' : tokens[id]);
  let tokenizer: HfTokenizer;
  try {
    tokenizer = new HfTokenizer(json, { clean_up_tokenization_spaces: false });
  } catch (cause) {
    throw new ModelFormatError(`${file}: its tokenizer tables do not fit together (${(cause as Error).message})`, { cause });
  }
  const decode = (ids: readonly number[], special = false) =>
    ids.length === 0 ? '' : tokenizer.decode([...ids], { skip_special_tokens: !special, clean_up_tokenization_spaces: false });
  const endTokens = new Set<number>();
  if (eosToken !== undefined) endTokens.add(eosToken);
  for (const name of ['eot_token_id', 'eom_token_id']) {
    const id = idOf(name);
    if (id !== undefined) endTokens.add(id);
  }
  for (const t of added) if (t.special && END_OF_TURN.includes(t.content)) endTokens.add(t.id);
  const wantsBos = key('add_bos_token');
  return {
    encode: (text) => (text === '' ? [] : tokenizer.encode(text, { add_special_tokens: false }).ids),
    boundary: () => 0,
    encodeFrom(text, from) {
      return this.encode(text.slice(from));
    },
    decode,
    stream() {
      let held: number[] = [];
      let shown = '';
      return {
        push(token) {
          held.push(token);
          const text = decode(held);
          if (text.endsWith('\ufffd')) return ''; // half a character: wait for its other bytes
          const piece = text.slice(shown.length);
          // keep one token of context, so that decoders that strip a leading space see that this is no beginning
          held = held.slice(-1);
          shown = decode(held);
          return piece;
        },
        end() {
          const piece = decode(held).slice(shown.length);
          held = [];
          shown = '';
          return piece;
        },
      };
    },
    endTokens,
    bosToken,
    addBos: typeof wantsBos === 'boolean' ? wantsBos : addBos,
    bosText: textOf(bosToken),
    eosText: textOf(eosToken),
  };
}

/**
 * SentencePiece joins the neighbours whose union has the highest score; BPE joins by rank. Ranking every way to cut a token in two by
 * the token's score gives the same joins (as transformers' converter does).
 */
function mergesOfScores(tokens: readonly string[], vocab: Record<string, number>, scores: readonly number[], types: readonly number[]): [string, string][] {
  const NORMAL = 1;
  const merges: { pair: [string, string]; score: number; order: [number, number] }[] = [];
  for (let id = 0; id < tokens.length; id++) {
    if (types[id] !== NORMAL && types[id] !== USER_DEFINED) continue;
    const characters = [...tokens[id]];
    let left = '';
    for (let cut = 0; cut < characters.length - 1; cut++) {
      left += characters[cut];
      const right = tokens[id].slice(left.length);
      if (vocab[left] !== undefined && vocab[right] !== undefined)
        merges.push({ pair: [left, right], score: scores[id] ?? 0, order: [vocab[left], vocab[right]] });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.order[0] - b.order[0] || a.order[1] - b.order[1]);
  return merges.map((m) => m.pair);
}
