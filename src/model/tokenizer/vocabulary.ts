// What a file says of its tokens, and what llama.cpp reads into their texts beyond that: which are
// special, which end a reply.
import { ModelFormatError } from '../../errors.ts';
import type { Metadata } from '../gguf.ts';
import type { TextList } from '../text-list.ts';
import type { SpecialTokens } from './specials.ts';

/** Token types of GGUF. */
export const NORMAL = 1;
export const UNKNOWN = 2;
export const CONTROL = 3;
export const USER_DEFINED = 4;
export const UNUSED = 5;
export const BYTE = 6;

/** Texts that end a reply, whatever their type in the file. */
const ENDS = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '</s>',
  '<|eom_id|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
  '<|end_of_text|>',
  '<end_of_utterance>',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '<｜end▁of▁sentence｜>',
  '[e~[',
];

/**
 * Tokens for filling code in the middle: by these keys, else the first with one of these texts.
 * They are special; some end a reply.
 */
const FILLS: readonly {
  readonly keys: readonly string[];
  readonly ends?: boolean;
  readonly texts: readonly string[];
}[] = [
  {
    keys: ['fim_pre_token_id', 'prefix_token_id'],
    texts: [
      '<|fim_prefix|>',
      '<fim-prefix>',
      '<fim_prefix>',
      '<｜fim▁begin｜>',
      '<PRE>',
      '▁<PRE>',
      '<|code_prefix|>',
      '<|prefix|>',
    ],
  },
  {
    keys: ['fim_suf_token_id', 'suffix_token_id'],
    texts: [
      '<|fim_suffix|>',
      '<fim-suffix>',
      '<fim_suffix>',
      '<｜fim▁hole｜>',
      '<SUF>',
      '▁<SUF>',
      '<|code_suffix|>',
      '<|suffix|>',
    ],
  },
  {
    keys: ['fim_mid_token_id', 'middle_token_id'],
    texts: [
      '<|fim_middle|>',
      '<fim-middle>',
      '<fim_middle>',
      '<｜fim▁end｜>',
      '<MID>',
      '▁<MID>',
      '<|code_middle|>',
      '<|middle|>',
    ],
  },
  {
    keys: ['fim_pad_token_id'],
    ends: true,
    texts: ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'],
  },
  {
    keys: ['fim_rep_token_id'],
    ends: true,
    texts: ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'],
  },
  { keys: ['fim_sep_token_id'], ends: true, texts: ['<|file_sep|>'] },
];

export interface Vocabulary {
  readonly texts: TextList;
  /** GGUF's type of each token, corrected by what its text says. */
  readonly types: Uint8Array;
  readonly endTokens: ReadonlySet<number>;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  readonly unknownToken: number | undefined;
  readonly specials: SpecialTokens;
}

/** `find` tells the token of a text, -1 where there is none. */
export function readVocabulary(
  metadata: Metadata,
  file: string,
  texts: TextList,
  find: (text: string) => number,
  sentencePiece: boolean,
): Vocabulary {
  const key = (name: string) => metadata[`tokenizer.ggml.${name}`];
  const idOf = (name: string): number | undefined => {
    const id = key(name);
    if (id === undefined) return undefined;
    if (!(Number(id) >= 0 && Number(id) < texts.length && Number.isInteger(Number(id)))) {
      throw new ModelFormatError(
        `${file}: tokenizer.ggml.${name} is ${id}, the vocabulary has ${texts.length} tokens`,
      );
    }
    return Number(id);
  };
  const types = readTypes(key('token_type'), texts.length);
  // SentencePiece has its own where a file names none
  const usual = (id: number) => (sentencePiece && id < texts.length ? id : undefined);
  const unknownToken = idOf('unknown_token_id') ?? usual(0);
  const bosToken = idOf('bos_token_id') ?? usual(1);
  const eosToken = idOf('eos_token_id') ?? usual(2);
  const endTokens = readEnds(idOf, eosToken, types, find);
  correctEnds(endTokens, types, find);
  const specials = readSpecials(metadata, texts, types, find);
  return { texts, types, endTokens, bosToken, eosToken, unknownToken, specials };
}

function readTypes(listed: unknown, count: number): Uint8Array {
  const types = new Uint8Array(count).fill(NORMAL);
  if (Array.isArray(listed)) {
    for (let id = 0; id < count && id < listed.length; id++) types[id] = Number(listed[id]);
  }
  return types;
}

/** Tokens that end a reply, by the file's keys or by their texts, which make them special. */
function readEnds(
  idOf: (name: string) => number | undefined,
  eosToken: number | undefined,
  types: Uint8Array,
  find: (text: string) => number,
): Set<number> {
  const endTokens = new Set<number>();
  for (const { keys, ends, texts } of FILLS) {
    let id = keys.map(idOf).find((named) => named !== undefined);
    if (id === undefined) {
      id = texts.map(find).find((found) => found >= 0);
      if (id !== undefined) types[id] = CONTROL;
    }
    if (ends && id !== undefined) endTokens.add(id);
  }
  for (const text of ENDS) {
    const id = find(text);
    if (id < 0) continue;
    endTokens.add(id);
    types[id] = CONTROL;
  }
  for (const id of [eosToken, idOf('eot_token_id'), idOf('eom_token_id')])
    if (id !== undefined) endTokens.add(id);
  return endTokens;
}

/** Takes away what ends no reply in vocabularies that have a token for it. */
function correctEnds(
  endTokens: Set<number>,
  types: Uint8Array,
  find: (text: string) => number,
): void {
  const ends = (text: string) => endTokens.has(find(text));
  // where a message ends with its own token, <|end|> only ends a part of it
  const call = ends('<|call|>') || ends('<|calls|>');
  if (call && (ends('<|return|>') || ends('<|flush|>')) && ends('<|end|>'))
    endTokens.delete(find('<|end|>'));
  if (ends('<|tool_response>') && ends('</s>')) {
    endTokens.delete(find('</s>'));
    types[find('</s>')] = NORMAL;
  }
}

function readSpecials(
  metadata: Metadata,
  texts: TextList,
  types: Uint8Array,
  find: (text: string) => number,
): SpecialTokens {
  const ids: number[] = [];
  for (let id = 0; id < texts.length; id++) {
    if (types[id] === CONTROL || types[id] === USER_DEFINED || types[id] === UNKNOWN) ids.push(id);
  }
  ids.sort((a, b) => texts.byteLength(b) - texts.byteLength(a) || a - b);
  const stripsLeft = new Set<number>();
  const stripsRight = new Set<number>();
  // no file says which tokens strip white space; the names of models do
  const pre = String(metadata['tokenizer.ggml.pre'] ?? '');
  const architecture = String(metadata['general.architecture'] ?? '');
  const name = String(metadata['general.name'] ?? '').toLowerCase();
  const stripLeft = (text: string) => {
    if (find(text) >= 0) stripsLeft.add(find(text));
  };
  if (
    ['jina-v2-de', 'jina-v2-es', 'jina-v2-code'].includes(pre) ||
    ['nomic-bert-moe', 'jina-bert-v3'].includes(architecture)
  ) {
    stripLeft('<mask>');
  } else if (/phi-?3/.test(name)) {
    for (const id of ids) stripsRight.add(id);
    for (const text of ['<unk>', '<s>', '<|endoftext|>']) stripsRight.delete(find(text));
  } else if (name.includes('modern-bert')) {
    stripLeft('[MASK]');
  }
  return { ids, texts: new Map(ids.map((id) => [id, texts.at(id)])), stripsLeft, stripsRight };
}
