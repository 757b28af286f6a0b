// The pre-tokenizers of byte-level BPE: the patterns that its text falls into words by before
// merging. A data table: what characters are in the patterns, pattern-units.ts says.
import { HAN, HAN_OTHERS, L, M, N, P, S, type UnitKind } from './pattern-units.ts';
import type { Ends, EndsBetween, Pass, PreTokenizer } from './pre-tokenizer.ts';
import { preTokenizerNames } from './pre-tokenizer-names.ts';
import { classOf, LETTER, MARK, NUMBER, OTHER, PUNCTUATION, SPACE, SYMBOL } from './unicode.ts';
import { inThrees, whiteInPowers } from './word-cuts.ts';

const part = (pattern: string): Pass => ({ pattern: new RegExp(pattern, 'g') });
const named = (pattern: string): Pass => ({ pattern: new RegExp(pattern, 'g'), units: 'named' });
const whole = (pattern: string, units: UnitKind = 'classes'): Pass => ({
  pattern: new RegExp(pattern, 'y'),
  complete: true,
  units,
});

const ANY = [OTHER, NUMBER, LETTER, PUNCTUATION, MARK, SYMBOL];
const run: Ends = { lines: 'run', words: ANY };
const single: Ends = { lines: 'single', words: ANY };
/** Runs of digits are pieces of their own. */
const atNumbers: EndsBetween = (left, right) =>
  (classOf(left) === NUMBER) !== (classOf(right) === NUMBER);

const SUFFIXES = `'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]`;
const WHITE = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const gpt2 = whole(
  `'s|'t|'re|'ve|'m|'ll|'d| ?[${L}]+| ?[${N}]+| ?[^\\s${L}${N}]+|\\s+(?!\\S)|\\s+`,
);
const llama3 = (digits: string) =>
  whole(
    `${SUFFIXES}|[^\\r\\n${L}${N}]?[${L}]+|[${N}]${digits}| ?[^\\s${L}${N}]+[\\r\\n]*|${WHITE}`,
  );
/** Words change from capitals to small letters; a character without case is both. */
const cased = (suffix: string, digits: string, also = '') =>
  whole(
    `[^\\r\\n${L}${N}]?[A-Z\xd2${also}]*[a-z\xd2${also}]+${suffix}` +
      `|[^\\r\\n${L}${N}]?[A-Z\xd2${also}]+[a-z\xd2${also}]*${suffix}` +
      `|[${N}]${digits}| ?[^\\s${L}${N}]+[\\r\\n/]*|${WHITE}`,
  );
/** Letters and marks, whatever their case, with their suffix. */
const marked = (digits: string) =>
  whole(
    `[^\\r\\n${L}${N}]?[${L}${M}]+(?:${SUFFIXES})?` +
      `|[${N}]${digits}| ?[^\\s${L}${N}]+[\\r\\n/]*|${WHITE}`,
  );
/** DeepSeek's words, once digits are cut. */
const deepseek = (punctuation: string) =>
  part(`[!-/:-@\\[-\`{-~][A-Za-z]+|[^\\r\\n${L}${P}${S}]?[${L}${M}]+| ?[${P}${S}]+${punctuation}`);
const eachDigit = part(`[${N}]`);
const threeDigits = part('[0-9][0-9][0-9]');
const eachLine = part('[\\r\\n]');
const threesFromEnd: Pass = { cut: inThrees(new RegExp(`[${N}]+`, 'g'), 'behind') };
const CJK = named('[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+');
const HAN_AND_KANA = '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+';
/** What ends a word in 'bloom' and its kin, and is in none. */
const STOPS = '(|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)';
const betweenStops = named(` ?[^\\s${STOPS}]+`);
const inWord = (c: number) => classOf(c) !== SPACE && !STOPS.includes(String.fromCodePoint(c));
const atStops: EndsBetween = (left, right) => inWord(left) && !inWord(right);

type Kind = keyof typeof preTokenizerNames;

const kinds = {
  'gpt-2': { passes: [gpt2], ends: single },
  smollm: { passes: [eachDigit, gpt2], ends: single },
  'llama-bpe': { passes: [llama3('{1,3}')], ends: run, ignoreMerges: true, addBos: true },
  /** Llama 3's words without its other habits. */
  dbrx: { passes: [llama3('{1,3}')], ends: run },
  qwen2: { passes: [llama3('')], ends: run },
  qwen35: {
    passes: [
      whole(
        `${SUFFIXES}|[^\\r\\n${L}${N}]?[${L}${M}]+|[${N}]| ?[^\\s${L}${M}${N}]+[\\r\\n]*|${WHITE}`,
      ),
    ],
    ends: run,
  },
  'gpt-4o': { passes: [cased(`(?:${SUFFIXES})?`, '{1,3}')], ends: run },
  tekken: { passes: [cased('', '')], ends: run, ignoreMerges: true, addBos: true },
  'seed-coder': {
    passes: [
      whole(`${SUFFIXES}|[^\\r\\n${L}${N}]?[${L}]+|[${N}]| ?[^\\s${L}${N}\\r\\n]+|${WHITE}`),
    ],
    ends: run,
  },
  bailingmoe: {
    passes: [
      whole(
        `${SUFFIXES}|[^\\r\\n${L}${N}]?[${L}]+|[${N}]| ` +
          `?[^\\s${L}${N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
      ),
    ],
    ends: run,
  },
  ufakzeka: {
    passes: [whole(`[^\\r\\n${L}${N}]?[${L}]+|[${N}]| ?[^\\s${L}${N}]+[\\r\\n]*|${WHITE}`)],
    ends: run,
  },
  minicpm5: { passes: [part(`[${N}]{1,3}`), llama3('+')], ends: run, ignoreMerges: true },
  laguna: { passes: [part('\\n+'), llama3('')], ends: run },
  'deepseek-v3': {
    passes: [part(`[${N}]{1,3}`), named(HAN_AND_KANA), deepseek(`[\\r\\n]*|${WHITE}`)],
    ends: run,
  },
  spark2_5: {
    passes: [
      part(`[${N}]{1,3}`),
      named(HAN_AND_KANA),
      deepseek('|[\\r\\n]|\\s+(?!\\S)|\\s+'),
      eachDigit,
    ],
    ends: single,
  },
  afmoe: {
    passes: [
      threesFromEnd,
      named(
        '[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f' +
          '\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f' +
          '\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+',
      ),
      deepseek(`[\\r\\n]*|${WHITE}`),
    ],
    ends: run,
  },
  'deepseek-coder': {
    passes: [eachLine, part(`\\s?[${L}]+`), part(`\\s?[${P}]+`), CJK, eachDigit],
    ends: { lines: 'each', words: [NUMBER, LETTER, PUNCTUATION] },
  },
  'deepseek-llm': {
    passes: [
      eachLine,
      // letters that have case, then ASCII's and East Asian punctuation
      named(
        '\\s?[A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f' +
          '\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd' +
          '\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57' +
          '\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec' +
          '\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f' +
          '\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787' +
          '\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\ufffe]+',
      ),
      named('\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+'),
      part('(?<!\\s)\\s+$'),
      CJK,
      part(`[${N}]+`),
    ],
    ends: { lines: 'each', words: null },
  },
  'kimi-k2': {
    passes: [
      whole(
        `[${HAN}${HAN_OTHERS}]+|[^\\r\\n${L}${HAN}${N}]?[${L}]+(?:${SUFFIXES})?|[${N}]{1,3}` +
          `| ?[^\\s${L}${HAN}${N}]+[\\r\\n]*|${WHITE}`,
        'han',
      ),
    ],
    ends: run,
    mergeless: true,
  },
  tiny_aya: { passes: [threesFromEnd, marked('{1,3}')], ends: run },
  youtu: {
    passes: [
      named(
        '[\uac00-\ud7a3\u3131-\u318e]+' +
          '|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+' +
          `|[\u3105-\u312f]+|${HAN_AND_KANA}`,
      ),
      marked(''),
    ],
    ends: run,
    ignoreMerges: true,
  },
  /** Letters go on behind a single space. */
  'exaone-moe': {
    passes: [
      whole(
        `${SUFFIXES}|[^\\r\\n${L}${N}]?[${L}](?:[${M}]| ?[${L}])*|[${N}]` +
          `| ?[^\\s${L}${N}]+[\\r\\n/]?|${WHITE}`,
      ),
    ],
    ends: { lines: 'run', words: [OTHER, NUMBER, PUNCTUATION, SYMBOL] },
  },
  'jais-2': {
    passes: [
      {
        cut: whiteInPowers(
          new RegExp(
            `${SUFFIXES}|[^\\r\\n${L}${N}]?[${L}]+|[${N}]{1,3}| ?[^\\s${L}${N}]+[\\r\\n]*`,
            'y',
          ),
        ),
      },
    ],
    ends: run,
  },
  superbpe: {
    passes: [part(`[${N}]+`), { cut: inThrees(/[0-9]+/g, 'before') }],
    ends: atNumbers,
  },
  chameleon: {
    passes: [
      part('<sentinel:[0-9]+>'),
      part('IMGIMG[A-I]{1,4}Z'),
      part('[\\t\\n]| {4}| {2}'),
      eachDigit,
      part('[!-/:-@\\[-`{-~\xd3]'),
      gpt2,
    ],
    ends: { ...single, punctuated: true },
    addBos: true,
  },
  bloom: { passes: [betweenStops], ends: atStops },
  viking: { passes: [betweenStops, eachDigit], ends: atStops },
  'granite-embed-multi-97m': {
    passes: [cased(`(?:${SUFFIXES})?`, '{1,3}', M)],
    ends: run,
    ignoreMerges: true,
  },
  falcon: { passes: [part(`[${P}$+<=>^~|\`]+`), gpt2, threeDigits], ends: single },
  default: { passes: [part(`[${P}$+<=>^~|]+`), gpt2, part(`[${N}]+`), threeDigits], ends: single },
} satisfies Record<Kind, PreTokenizer>;

/** By the names that files have for them. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  (Object.keys(kinds) as Kind[]).flatMap((kind) =>
    preTokenizerNames[kind].map((name) => [name, kinds[kind]] as const),
  ),
);
