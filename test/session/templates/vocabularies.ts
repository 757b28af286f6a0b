// Small vocabularies that have a family's markup as control tokens: byte-level BPE, and
// SentencePiece with and without a space in front.
import { createRandom } from '../../../src/math/rng.ts';
import { type MetadataValue, smallLlama, writeGguf } from '../../gguf-writer.ts';
import type { Family } from './family.ts';

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

export interface Vocabulary {
  readonly name: string;
  /** Of each token its text and GGUF's type. */
  readonly tokens: readonly (readonly [text: string, type: number])[];
  readonly metadata: Readonly<Record<string, MetadataValue>>;
}

const distinct = (family: Family) => {
  const control = new Set([family.bos, family.eos, ...(family.control ?? [])]);
  return [
    ...[...control].map((text) => [text, CONTROL] as const),
    ...(family.shown ?? []).map((text) => [text, USER_DEFINED] as const),
  ];
};

const named = (
  name: string,
  family: Family,
  tokens: Vocabulary['tokens'],
  more: Record<string, MetadataValue>,
): Vocabulary => {
  const texts = tokens.map(([text]) => text);
  return {
    name,
    tokens,
    metadata: {
      'tokenizer.ggml.tokens': texts,
      'tokenizer.ggml.token_type': tokens.map(([, type]) => type),
      'tokenizer.ggml.bos_token_id': texts.indexOf(family.bos),
      'tokenizer.ggml.eos_token_id': texts.indexOf(family.eos),
      ...more,
    },
  };
};

export function byteLevel(family: Family, addBos: boolean): Vocabulary {
  const bytes = smallLlama().metadata['tokenizer.ggml.tokens'] as string[];
  const plain = [...bytes.slice(0, -1), 'Ġthe', 'ĊĊ', 'ĠĠ', '>Ċ', 'Ġa'];
  const tokens = [...plain.map((text) => [text, NORMAL] as const), ...distinct(family)];
  return named('byte-level', family, tokens, {
    'tokenizer.ggml.merges': ['t h', 'h e', 'th e', 'Ġ the', 'Ċ Ċ', 'Ġ Ġ', '> Ċ', 'Ġ a'],
    'tokenizer.ggml.add_bos_token': addBos,
  });
}

export function sentencePiece(family: Family, prefix: boolean, addBos: boolean): Vocabulary {
  const pieces = ['▁the', 'the', 'th', 'he', '▁▁', '▁a', '\n\n', '▁\n', '>\n', 'ün', 'z▁', '▁['];
  const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const plain = [...pieces, '▁', '\n', ...printable, 'ü', 'ï'];
  const byte = (b: number) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`;
  const tokens = [
    ['<unk>', UNKNOWN] as const,
    ...distinct(family),
    ...Array.from({ length: 256 }, (_, b) => [byte(b), BYTE] as const),
    ...plain.map((text) => [text, NORMAL] as const),
  ];
  return named(`SentencePiece${prefix ? '' : ', no space in front'}`, family, tokens, {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.scores': tokens.map((_, id) => -id),
    'tokenizer.ggml.unknown_token_id': 0,
    'tokenizer.ggml.add_space_prefix': prefix,
    'tokenizer.ggml.add_bos_token': addBos,
  });
}

/** A model of one layer with a family's template and a vocabulary. */
export function modelOf(family: Family, { tokens, metadata }: Vocabulary): Uint8Array<ArrayBuffer> {
  const D = 8;
  const floats = new Float32Array(D * tokens.length);
  const random = createRandom(5);
  for (let i = 0; i < floats.length; i++) floats[i] = random() - 0.5;
  const data = new Uint8Array(floats.buffer);
  const embedding = { name: 'token_embd.weight', shape: [D, tokens.length], type: 0, data };
  return writeGguf(
    smallLlama({
      metadata: {
        'llama.context_length': 8192,
        'tokenizer.chat_template': family.source,
        ...metadata,
      },
      tensors: ([, ...others]) => [embedding, ...others],
    }),
  );
}
