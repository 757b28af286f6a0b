// Texts to try tokenizers with, made from seeds: test/fixtures/tokenizers/llama-cpp.json holds what
// llama.cpp makes of them, so a change here needs new fixtures (scripts/tokenizer-fixtures.mjs).
import { createRandom } from '../../src/math/rng.ts';
import { lineKinds } from '../../src/model/tokenizer/line-bpe.ts';

const WORDS = (
  'the of and a to in is you that it he was for on are as with his they I at be this have from or one had by word but not what all were we ' +
  'when your can said there use an each which she do how their if will up other about out many then them these so some her would make like ' +
  'him into time has look two more write go see number no way could people my than first water been call who oil its now find long down day ' +
  'did get come made may part Hello WORLD iPhone McDonald camelCase snake_case naïve café Übergröße straße Ærøskøbing İstanbul ﬁne ſharp'
).split(' ');
const SUFFIXES = [
  "'s",
  "'S",
  "'t",
  "'T",
  "'re",
  "'RE",
  "'rE",
  "'ve",
  "'VE",
  "'m",
  "'M",
  "'ll",
  "'LL",
  "'d",
  "'D",
  '’s',
  "'x",
  "''",
  "'ſ",
  "'l",
  "'r",
];
const SCRIPTS = [
  '今天天气很好',
  '東京に行きました',
  'カタカナ',
  'ㄅㄆㄇ',
  '안녕하세요',
  'Привет мир',
  'Ελληνικά',
  'שלום עולם',
  'مرحبا بالعالم',
  'हिन्दी में',
  'ภาษาไทย',
  'বাংলা',
  'தமிழ்',
  'አማርኛ',
  'ქართული',
  '𝕳𝖊𝖑𝖑𝖔',
  '𐐀𐐨',
  '𠀀𠜎',
  'ǅǈ',
  'ʰʲ',
];
const MARKS = [
  '\u0301',
  '\u0308',
  '\u0e49',
  '\u093e',
  '\u20dd',
  '\ufe0f',
  '\u200d',
  '\u200c',
  '\u00ad',
  '\u2060',
];
const EMOJI = ['😀', '👩‍👩‍👧‍👦', '🇩🇪', '👍🏽', '❤️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '☃', '🫠'];
const NUMBERS = [
  '0',
  '7',
  '42',
  '123',
  '1234',
  '1234567',
  '3.14159',
  '1,000,000',
  '0x1F',
  '1e-9',
  '２０２４',
  '½',
  '²',
  'Ⅷ',
  '٣٤٥',
  '𝟏𝟐',
  '①',
];
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'.split('');
const SIGNS = [
  '...',
  '--',
  '!!!',
  '?!',
  '::',
  '//',
  '/',
  '\\',
  '->',
  '=>',
  '€',
  '£',
  '§',
  '«',
  '»',
  '“',
  '”',
  '–',
  '—',
  '…',
  '，',
  '。',
  '、',
  '！',
  '×',
  '≠',
  '™',
];
const SPACES = [
  ' ',
  ' ',
  ' ',
  '  ',
  '   ',
  '\t',
  '\n',
  '\n\n',
  '\r\n',
  '\r\n\r\n',
  '\n \n',
  ' \n',
  '\n  ',
  '\t\t',
  '\v',
  '\f',
  '\r',
  '\n\n\n\n',
];
const RARE_SPACES = [
  '\u00a0',
  '\u0085',
  '\u2028',
  '\u2029',
  '\u3000',
  '\u2003',
  '\u202f',
  '\u1680',
  '\ufeff',
  '\u200b',
  '\u180e',
  '\u205f',
  '        ',
];
const CONTROLS = [
  '\u0000',
  '\u0001',
  '\u001b',
  '\u007f',
  '\u0080',
  '\u0378',
  '\ue000',
  '\uffff',
  '\ufffd',
  '\u{10ffff}',
  '\u{e0001}',
];
const CODE = [
  'for (let i = 0; i < n; i++) {\n\treturn a[i];\n}\n',
  'def f(x):\n    """doc"""\n    return x ** 2\n',
  '#include <stdio.h>\r\nint main(void) { return 0; }\r\n',
  '<div class="a">&amp;</div>',
  '{"key": [1, 2.5, null]}',
  'https://example.org/a?b=c&d=%20',
  '```\n    indented\n```',
  '| a | b |\n|---|---|\n',
  '$x^2 + \\frac{1}{2}$',
  '▁▁under▁score',
  '<0x0A><0xE2>',
  '<sentinel:17>IMGIMGABIZ',
];

const CATEGORIES: readonly [weight: number, parts: readonly string[]][] = [
  [30, WORDS],
  [6, SUFFIXES],
  [6, SCRIPTS],
  [3, MARKS],
  [3, EMOJI],
  [6, NUMBERS],
  [8, PUNCTUATION],
  [4, SIGNS],
  [26, SPACES],
  [3, RARE_SPACES],
  [1, CONTROLS],
  [2, CODE],
];
const TOTAL = CATEGORIES.reduce((sum, [weight]) => sum + weight, 0);

/** Where any character may come from, now and then. */
const RANGES = [
  [0x20, 0x7e],
  [0xa0, 0x24f],
  [0x300, 0x5ff],
  [0x600, 0x10ff],
  [0x1e00, 0x2bff],
  [0x3000, 0xa4ff],
  [0xac00, 0xd7a3],
  [0xf900, 0xffff],
  [0x10000, 0x1ffff],
  [0x20000, 0x323af],
];

/** The text of a seed; `specials` are written in it now and then, whole and cut short. */
export function textOf(seed: number, specials: readonly string[]): string {
  const random = createRandom(seed * 2 + 1);
  const below = (count: number) => Math.floor(random() * count);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const parts = 1 + below(seed % 10 === 0 ? 120 : 24);
  let text = '';
  for (let i = 0; i < parts; i++) {
    const kind = below(TOTAL + 8);
    if (kind < TOTAL) {
      let left = kind;
      const [, list] = CATEGORIES.find(([weight]) => (left -= weight) < 0)!;
      text += pick(list);
      if (list === WORDS && below(3) > 0) text += ' ';
    } else if (kind < TOTAL + 3) {
      const [first, last] = pick(RANGES);
      for (let n = 1 + below(4); n > 0; n--)
        text += String.fromCodePoint(first + below(last - first + 1));
    } else if (kind < TOTAL + 4) {
      text += pick([...PUNCTUATION, ...SPACES, 'a', '7', 'é']).repeat(1 + below(70));
    } else if (specials.length > 0) {
      const special = pick(specials);
      text += below(5) === 0 ? special.slice(0, 1 + below(special.length)) : special;
    }
  }
  return text;
}

/** How many seeds the fixtures have, and how many texts share a hash. */
export const TEXTS = 2000;
export const TEXTS_A_HASH = 4;

/** 32 bits of a list of tokens, from those of the one before it. */
export function hashTokens(tokens: readonly number[], before = 0x811c9dc5): number {
  let hash = before ^ tokens.length;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193) ^ (hash >>> 15);
  return hash >>> 0;
}

/** What a file says of a tokenizer. */
export interface TokenizerMetadata extends Record<string, unknown> {
  readonly 'tokenizer.ggml.tokens': readonly string[];
  readonly 'tokenizer.ggml.merges': readonly string[];
}

const NORMAL = 1;
const BYTE = 6;

function shuffled<T>(list: readonly T[]): T[] {
  const random = createRandom(1);
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/**
 * A vocabulary that shows where words end: all bytes, and all pairs of bytes that occur, joined in
 * some order. A pair across two words would give another token. The same of characters where a
 * pre-tokenizer leaves lines whole.
 */
export const pairsMetadata = (pre: string): TokenizerMetadata =>
  lineKinds.has(pre) ? pairsOfCharacters(pre) : pairsOfBytes(pre);

function pairsOfBytes(pre: string): TokenizerMetadata {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter(
    (byte) => byte < 0xf5 && byte !== 0xc0 && byte !== 0xc1,
  );
  const pairs = shuffled(bytes.flatMap((a) => bytes.map((b) => [a, b] as const)));
  let extra = 0;
  const units = Array.from(
    { length: 256 },
    (_, b) => (b > 0x20 && b < 0x7f) || (b > 0xa0 && b !== 0xad),
  ).map((seen, b) => String.fromCharCode(seen ? b : 0x100 + extra++));
  return {
    'tokenizer.ggml.model': 'gpt2',
    ...(pre === '' ? {} : { 'tokenizer.ggml.pre': pre }),
    'tokenizer.ggml.tokens': [...units, ...pairs.map(([a, b]) => units[a] + units[b])],
    'tokenizer.ggml.merges': pairs.map(([a, b]) => `${units[a]} ${units[b]}`),
  };
}

/** Characters that are tokens but for the last few, which merges alone have. */
const CHARACTERS = [...'\n\t▁abcdefghiklmnoprstuwyAHIW0123.,:;!?-()<>{}"\'/_=今天きé́иの한😀ñ½Ⅷ٣'];
const UNLISTED = 4;

function pairsOfCharacters(pre: string): TokenizerMetadata {
  const pairs = shuffled(CHARACTERS.flatMap((a) => CHARACTERS.map((b) => [a, b] as const)));
  // pairs joined to pairs, and some of either that are no tokens
  const longer = pairs.slice(0, 2000).map(([a, b], i) => [a + b, pairs[2000 + (i % 900)].join('')]);
  const merges = [...pairs, ...longer];
  const joined = merges.map((merge) => merge.join('')).filter((_, i) => i % 7 > 0);
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const texts = [...CHARACTERS.slice(0, -UNLISTED), ...joined, '\n'.repeat(5), 'a\n'];
  const tokens = [...new Set([...bytes, ...texts])];
  return {
    ...(pre === 'gemma4'
      ? { 'tokenizer.ggml.model': pre }
      : { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': pre }),
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': tokens.map((_, id) => (id < bytes.length ? BYTE : NORMAL)),
    'tokenizer.ggml.merges': merges.map((merge) => merge.join(' ')),
  };
}

/**
 * Files whose tokens the fixtures hold, by their path below the root: one of each tokenizer there
 * is.
 */
export const tokenizerFiles = [
  'test/fixtures/llama-f32.gguf',
  'test/fixtures/llama-f16.gguf',
  'models/recollect-tiny.gguf',
  ...['gpt-2', 'llama-bpe', 'qwen2', 'smollm', 'spm', 'spm-noprefix'].map(
    (name) => `test/fixtures/tokenizers/${name}.gguf`,
  ),
];
/** A pre-tokenizer of each kind, with the vocabulary of pairs. */
export const tokenizerKinds = [
  '',
  'gpt-2',
  'smollm',
  'llama-bpe',
  'dbrx',
  'qwen2',
  'qwen35',
  'gpt-4o',
  'tekken',
  'seed-coder',
  'bailingmoe',
  'ufakzeka',
  'minicpm5',
  'laguna',
  'deepseek-v3',
  'deepseek-coder',
  'deepseek-llm',
  'falcon',
  'spark2_5',
  'afmoe',
  'kimi-k2',
  'tiny_aya',
  'youtu',
  'exaone-moe',
  'jais-2',
  'superbpe',
  'chameleon',
  'bloom',
  'viking',
  'granite-embed-multi-97m',
  'gemma4',
  'sarvam-moe',
];
