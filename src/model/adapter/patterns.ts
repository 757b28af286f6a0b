// Patterns of module names, by which PEFT gives ranks and alphas: regular expressions over the end
// of a name, the first that fits wins. They are foreign, and an expression can take exponential
// time: what is more than names with some choices and gaps is refused.
import { UnsupportedError } from '../../errors.ts';
import { clip } from '../damaged.ts';

export interface Pattern {
  fits(module: string): boolean;
  readonly value: number;
}

/** A name, or the end of one: no expression is needed. Its dots stand for any character. */
const PLAIN = /^[\w.]+$/;
/** Names, choices, classes, escaped dots and digits; no look-around, no references. */
const SAFE = /^(?:[\w.\-^$]|\\[.dw]|\((?!\?)|[)|]|\[\^?[\w.-]+\]|[*+?])*$/;
/** Gaps are tried at each place of a name: so many of them are no matter. */
const MOST_GAPS = 2;
/** A group that is repeated, which can take exponential time. */
const REPEATED_GROUP = /\)[*+]/;
/** Real files have one pattern, or names; each is tried for each matrix. */
const MOST_EXPRESSIONS = 16;
const MOST_PATTERNS = 1 << 14;
const MOST_LENGTH = 256;

/** Throws UnsupportedError for patterns that we do not read. */
export function readPatterns(
  entries: readonly (readonly [pattern: string, value: number])[],
  key: string,
  file: string,
): Pattern[] {
  const refuse = (what: string): never => {
    throw new UnsupportedError(`${file}: '${key}' ${what}: write it as names of modules`);
  };
  const expressions = entries.filter(([pattern]) => !PLAIN.test(pattern));
  if (entries.length > MOST_PATTERNS || expressions.length > MOST_EXPRESSIONS)
    refuse(
      `has ${entries.length} patterns, ${expressions.length} of them expressions; the limits are ` +
        `${MOST_PATTERNS} and ${MOST_EXPRESSIONS}`,
    );
  return entries.map(([pattern, value]) => {
    if (PLAIN.test(pattern)) return { value, fits: (module) => endsWith(module, pattern) };
    const gaps = pattern.match(/[*+]/g)?.length ?? 0;
    const isSafe = pattern.length <= MOST_LENGTH && SAFE.test(pattern) && gaps <= MOST_GAPS;
    if (!isSafe || REPEATED_GROUP.test(pattern))
      refuse(`has the pattern '${clip(pattern)}', which is more than we read`);
    const expression = compile(pattern) ?? refuse(`has '${clip(pattern)}', which is no pattern`);
    return { value, fits: (module) => expression.test(module) };
  });
}

/** Whether a module's name ends with another, at a dot. */
function endsWith(module: string, end: string): boolean {
  const from = module.length - end.length;
  if (from < 0 || (from > 0 && module[from - 1] !== '.')) return false;
  for (let i = 0; i < end.length; i++)
    if (end[i] !== '.' && end[i] !== module[from + i]) return false;
  return true;
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:.*\\.)?(?:${pattern})$`);
  } catch {
    return undefined;
  }
}
