// How byte-level BPE's text falls into words before merging, by the names GGUF has for it. Patterns
// run one after the other, each on the pieces that the ones before it made; what a pattern does not
// match is a piece, too. They see one unit for each character: ASCII as it is, others as their
// class (unicode.ts), so that all runtimes see the same.
import {
  classOf,
  codePointAt,
  codePointBefore,
  LETTER,
  MARK,
  NUMBER,
  OTHER,
  PUNCTUATION,
  SPACE,
  SYMBOL,
} from './unicode.ts';

/**
 * Units that stand for characters beyond ASCII, by class; white space is a vertical tab, as `\s`
 * knows it.
 */
const STANDS_FOR = {
  [OTHER]: 0xd0,
  [NUMBER]: 0xd1,
  [LETTER]: 0xd2,
  [PUNCTUATION]: 0xd3,
  [MARK]: 0xd4,
  [SYMBOL]: 0xd5,
  [SPACE]: 0x0b,
} as Readonly<Record<number, number>>;

const N = '0-9\xd1';
const L = 'A-Za-z\xd2';
const P = '!-#%-*,-/:;?@\\[-\\]_{}\xd3';
const M = '\xd4';
const S = '$+<=>\\^`|~\xd5';

interface Pass {
  readonly pattern: RegExp;
  /** Every character is in some match. */
  readonly complete?: boolean;
  /** The pattern names characters beyond ASCII themselves. */
  readonly named?: boolean;
}

/** Where words end whatever stands before them and behind what is known. */
interface Ends {
  /**
   * A line's end: 'run' with all white space before it, whatever follows; 'single' by itself, where
   * nothing white stands before it; 'each' always by itself.
   */
  readonly lines: 'run' | 'single' | 'each';
  /** Behind which classes a word ends at white space in a line; null: behind ASCII alone. */
  readonly words: readonly number[] | null;
}

export interface PreTokenizer {
  readonly passes: readonly Pass[];
  readonly ends: Ends;
  /** A word that is a token as a whole is not merged. */
  readonly ignoreMerges?: boolean;
  readonly addBos?: boolean;
}

const part = (pattern: string): Pass => ({ pattern: new RegExp(pattern, 'g') });
const named = (pattern: string): Pass => ({ pattern: new RegExp(pattern, 'g'), named: true });
const whole = (pattern: string): Pass => ({ pattern: new RegExp(pattern, 'y'), complete: true });

const ANY = [OTHER, NUMBER, LETTER, PUNCTUATION, MARK, SYMBOL];
const run: Ends = { lines: 'run', words: ANY };
const single: Ends = { lines: 'single', words: ANY };

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
const cased = (suffix: string, digits: string) =>
  whole(
    `[^\\r\\n${L}${N}]?[A-Z\xd2]*[a-z\xd2]+${suffix}|[^\\r\\n${L}${N}]?[A-Z\xd2]+[a-z\xd2]*${suffix}` +
      `|[${N}]${digits}| ?[^\\s${L}${N}]+[\\r\\n/]*|${WHITE}`,
  );
const eachDigit = part(`[${N}]`);
const threeDigits = part('[0-9][0-9][0-9]');
const eachLine = part('[\\r\\n]');
const CJK = named('[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+');

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
    passes: [
      part(`[${N}]{1,3}`),
      named('[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+'),
      part(
        `[!-/:-@\\[-\`{-~][A-Za-z]+|[^\\r\\n${L}${P}${S}]?[${L}${M}]+| ` +
          `?[${P}${S}]+[\\r\\n]*|${WHITE}`,
      ),
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
          '\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\ue001]+',
      ),
      named('\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+'),
      part('(?<!\\s)\\s+$'),
      CJK,
      part(`[${N}]+`),
    ],
    ends: { lines: 'each', words: null },
  },
  falcon: { passes: [part(`[${P}$+<=>^~|\`]+`), gpt2, threeDigits], ends: single },
  default: { passes: [part(`[${P}$+<=>^~|]+`), gpt2, part(`[${N}]+`), threeDigits], ends: single },
} satisfies Record<string, PreTokenizer>;

type Kind = keyof typeof kinds;

/** Names under which files have them; a file without a name has 'default'. */
const names: Readonly<Record<Kind, readonly string[]>> = {
  'gpt-2': [
    'gpt-2',
    'phi-2',
    'jina-es',
    'jina-de',
    'jina-v1-en',
    'jina-v2-es',
    'jina-v2-de',
    'jina-v2-code',
    'roberta-bpe',
    'gigachat',
    'a.x-4.0',
    'mellum',
    'modern-bert',
    'mpt',
    'olmo',
    'jais',
    'trillion',
    'granite-docling',
    'exaone4',
  ],
  smollm: [
    'smollm',
    'starcoder',
    'refact',
    'command-r',
    'codeshell',
    'exaone',
    'minerva-7b',
    'mellum2',
  ],
  'llama-bpe': [
    'llama-bpe',
    'llama3',
    'llama-v3',
    'falcon3',
    'falcon-h1',
    'pixtral',
    'midm-2.0',
    'lfm2',
    'jina-v5-nano',
  ],
  dbrx: ['dbrx', 'smaug-bpe', 'glm4', 'chatglm-bpe'],
  qwen2: [
    'qwen2',
    'deepseek-r1-qwen',
    'kormo',
    'f2llmv2',
    'stablelm2',
    'hunyuan',
    'solar-open',
    'megrez',
    'grok-2',
  ],
  qwen35: ['qwen35'],
  'gpt-4o': ['gpt-4o', 'llama4', 'kanana2', 'talkie', 'minimax-m2'],
  tekken: ['tekken'],
  'seed-coder': ['seed-coder'],
  bailingmoe: ['bailingmoe', 'bailingmoe2', 'llada-moe'],
  ufakzeka: ['ufakzeka'],
  minicpm5: ['minicpm5'],
  laguna: ['laguna'],
  'deepseek-v3': ['deepseek-v3', 'hunyuan-dense', 'joyai-llm', 'hy_v4'],
  'deepseek-coder': ['deepseek-coder'],
  'deepseek-llm': ['deepseek-llm'],
  falcon: ['falcon'],
  default: ['default'],
};

export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  (Object.keys(kinds) as Kind[]).flatMap((kind) =>
    names[kind].map((name) => [name, kinds[kind]] as const),
  ),
);

/**
 * Letters with case beyond the basic plane, which 'deepseek-llm' names; they stand as U+E001, other
 * characters there as U+E000.
 */
const CASED_BEYOND = [
  0x10400, 0x1044f, 0x104b0, 0x104d3, 0x104d8, 0x104fb, 0x10c80, 0x10cb2, 0x10cc0, 0x10cf2, 0x118a0,
  0x118df, 0x1e900, 0x1e943,
];
const isCasedBeyond = (c: number) =>
  CASED_BEYOND.some((first, i) => i % 2 === 0 && c >= first && c <= CASED_BEYOND[i + 1]);

/** JavaScript's `\s` has it, no table of white space does. */
const BYTE_ORDER_MARK = 0xfeff;

const CHUNK = 4096;
function textOf(units: Uint8Array | Uint16Array): string {
  let text = '';
  for (let i = 0; i < units.length; i += CHUNK)
    text += String.fromCharCode(...units.subarray(i, i + CHUNK));
  return text;
}

/** Calls `word` with begin and end of each word of a well-formed text. */
export function splitWords(
  text: string,
  kind: PreTokenizer,
  word: (begin: number, end: number) => void,
): void {
  if (/^[\0-\x7f]*$/.test(text)) {
    runPasses(text, text, kind.passes, word);
    return;
  }
  const points: number[] = []; // where each character begins
  let beyond = false;
  for (let i = 0; i < text.length; i++) {
    points.push(i);
    if ((text.charCodeAt(i) & 0xfc00) === 0xd800) {
      beyond = true;
      i++;
    }
  }
  const classes = new Uint8Array(points.length);
  const wide = kind.passes.some((pass) => pass.named) ? new Uint16Array(points.length) : undefined;
  for (let i = 0; i < points.length; i++) {
    const c = text.codePointAt(points[i])!;
    classes[i] = c < 0x80 ? c : STANDS_FOR[classOf(c)];
    if (!wide) continue;
    if (c >= 0x10000 || c === BYTE_ORDER_MARK) wide[i] = isCasedBeyond(c) ? 0xe001 : 0xe000;
    else wide[i] = c < 0x80 ? c : classes[i] === STANDS_FOR[SPACE] ? classes[i] : c;
  }
  const collapsed = textOf(classes);
  const plain = wide ? textOf(wide) : collapsed;
  points.push(text.length);
  runPasses(
    collapsed,
    plain,
    kind.passes,
    beyond ? (begin, end) => word(points[begin], points[end]) : word,
  );
}

function runPasses(
  collapsed: string,
  plain: string,
  passes: readonly Pass[],
  word: (begin: number, end: number) => void,
): void {
  if (passes.length === 1) {
    runPass(collapsed, 0, passes[0], word);
    return;
  }
  let pieces = [0, collapsed.length];
  for (const [index, pass] of passes.entries()) {
    const source = pass.named ? plain : collapsed;
    const next: number[] = [];
    const take =
      index === passes.length - 1
        ? word
        : (begin: number, end: number) => void next.push(begin, end);
    for (let i = 0; i < pieces.length; i += 2)
      runPass(source.slice(pieces[i], pieces[i + 1]), pieces[i], pass, take);
    pieces = next;
  }
}

function runPass(
  piece: string,
  offset: number,
  { pattern, complete }: Pass,
  take: (begin: number, end: number) => void,
): void {
  let done = 0;
  pattern.lastIndex = 0;
  if (complete) {
    while (done < piece.length && pattern.test(piece)) {
      take(offset + done, offset + pattern.lastIndex);
      done = pattern.lastIndex;
    }
  } else {
    for (let match = pattern.exec(piece); match; match = pattern.exec(piece)) {
      if (match.index > done) take(offset + done, offset + match.index);
      done = match.index + match[0].length;
      take(offset + match.index, offset + done);
    }
  }
  if (done < piece.length) take(offset + done, offset + piece.length);
}

const isLineEnd = (c: number) => c === 0x0a || c === 0x0d;

/**
 * Whether a word ends at `at`, whatever stands behind `end`, and both sides fall into the same
 * words when they stand alone. What it does not know of it denies.
 */
export function endsWord(text: string, at: number, end: number, { ends }: PreTokenizer): boolean {
  if (at === 0) return true;
  const left = codePointBefore(text, at);
  const right = codePointAt(text, at, end);
  if (right < 0) return false;
  const leftClass = classOf(left);
  const rightClass = classOf(right);
  const behindWord = ends.words ? ends.words.includes(leftClass) : left > 0x20 && left < 0x7f;
  if (rightClass === SPACE) {
    if (leftClass === SPACE) return ends.lines === 'each' && (isLineEnd(left) || isLineEnd(right));
    if (ends.lines === 'each' && isLineEnd(right)) return true;
    if (!behindWord) return false;
    // where lines end in runs, punctuation takes them along
    return (
      ends.lines !== 'run' || !isLineEnd(right) || leftClass === LETTER || leftClass === NUMBER
    );
  }
  if (isLineEnd(left)) {
    if (right === 0x2f) return false; // some patterns take a slash along with line ends
    return ends.lines !== 'single' || at === 1 || classOf(codePointBefore(text, at - 1)) !== SPACE;
  }
  // a word of letters ends at ASCII's and East Asian punctuation, but for an apostrophe
  if (leftClass !== LETTER || !behindWord || right === 0x27) return false;
  if (right < 0x80) return rightClass === PUNCTUATION || rightClass === SYMBOL;
  return (
    (right >= 0x3001 && right <= 0x3002) ||
    (right >= 0xff01 && right <= 0xff0f) ||
    (right >= 0xff1a && right <= 0xff20)
  );
}
