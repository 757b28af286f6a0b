// Classes of characters as pre-tokenizers know them. Fixed tables, as `\p{L}` means another set in
// every runtime and none of them is llama.cpp's; JavaScript's `\s` has U+FEFF and lacks U+0085.
import { unicodeRuns } from './unicode-table.ts';

export const [OTHER, NUMBER, LETTER, PUNCTUATION, MARK, SYMBOL, SPACE] = [0, 1, 2, 3, 4, 5, 6];
const NAMES = 'ONLPMSW';

const ASCII = 0x80;
const ascii = Uint8Array.from({ length: ASCII }, (_, c) => {
  const text = String.fromCharCode(c);
  if (/[A-Za-z]/.test(text)) return LETTER;
  if (/[0-9]/.test(text)) return NUMBER;
  if (/[$+<=>^`|~]/.test(text)) return SYMBOL;
  if (c > 0x20 && c < 0x7f) return PUNCTUATION;
  return c === 0x20 || (c >= 9 && c <= 13) ? SPACE : OTHER;
});

/**
 * Where runs begin, ascending, and their classes: read when the first character beyond ASCII comes.
 */
let begins: Uint32Array | undefined;
let classes = new Uint8Array();
let last = 0;

function readRuns(): Uint32Array {
  const runs = unicodeRuns.match(/[0-9a-z]*[A-Z]/g)!;
  classes = Uint8Array.from(runs, (run) => NAMES.indexOf(run[run.length - 1]));
  let at = ASCII - 1;
  return Uint32Array.from(
    runs,
    (run) => (at += run.length === 1 ? 1 : parseInt(run.slice(0, -1), 36)),
  );
}

export function classOf(codePoint: number): number {
  if (codePoint < ASCII) return ascii[codePoint];
  begins ??= readRuns();
  // neighbours in a text mostly lie in one run
  if (begins[last] <= codePoint && (last + 1 === begins.length || codePoint < begins[last + 1]))
    return classes[last];
  let low = 0;
  let high = begins.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (begins[middle] <= codePoint) low = middle;
    else high = middle;
  }
  last = low;
  return classes[low];
}

const REPLACEMENT = 0xfffd;
const isHigh = (unit: number) => (unit & 0xfc00) === 0xd800;
const isLow = (unit: number) => (unit & 0xfc00) === 0xdc00;

/**
 * The text as UTF-8 can hold it: halves of surrogate pairs that stand alone are U+FFFD. The length
 * stays.
 */
export function wellFormed(text: string): string {
  if (!/[\ud800-\udfff]/.test(text)) return text;
  return text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    '\ufffd',
  );
}

/**
 * Whether a character, or what may become one, lies across index `at`: nothing may be cut there.
 */
export function splitsPair(text: string, at: number, end: number): boolean {
  if (at === 0 || !isHigh(text.charCodeAt(at - 1))) return false;
  return at >= end || isLow(text.charCodeAt(at));
}

/** The code point that ends before `at` > 0. */
export function codePointBefore(text: string, at: number): number {
  const unit = text.charCodeAt(at - 1);
  if (isLow(unit) && at > 1 && isHigh(text.charCodeAt(at - 2))) return text.codePointAt(at - 2)!;
  return (unit & 0xf800) === 0xd800 ? REPLACEMENT : unit;
}

/** The code point that begins at `at`, -1 where what stands before `end` does not tell. */
export function codePointAt(text: string, at: number, end: number): number {
  if (at >= end) return -1;
  const unit = text.charCodeAt(at);
  if (!isHigh(unit)) return isLow(unit) ? REPLACEMENT : unit;
  if (at + 1 >= end) return -1;
  return isLow(text.charCodeAt(at + 1)) ? text.codePointAt(at)! : REPLACEMENT;
}

/**
 * Whether some unit that may stand at `at` once a text is well-formed does: a half of a surrogate
 * pair may yet be U+FFFD. Looks at that unit alone.
 */
export function someUnitAt(text: string, at: number, is: (unit: number) => boolean): boolean {
  const unit = text.charCodeAt(at);
  return is(unit) || ((unit & 0xf800) === 0xd800 && is(REPLACEMENT));
}

/** Units that become a text at once: arguments of a call. */
const TOGETHER = 1 << 12;

/** Units [begin, end) as a text. */
export function textOfUnits(units: Uint16Array, begin = 0, end = units.length): string {
  let text = '';
  for (let i = begin; i < end; i += TOGETHER)
    text += String.fromCharCode(...units.subarray(i, Math.min(end, i + TOGETHER)));
  return text;
}
