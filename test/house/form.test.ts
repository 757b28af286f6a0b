// The form of src/: files of at most 300 lines, functions of 60, lines of 100 columns; what is
// larger stands in exceptions.ts. Kernels (assembly/) are apart. Sizes are read off the text as
// prettier leaves it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { longFiles, longFunctions, wideLines } from './exceptions.ts';
import { readSources, type Source } from './sources.ts';

const MOST_FILE = 300;
const MOST_FUNCTION = 60;
const MOST_COLUMNS = 100;

interface Body {
  readonly name: string;
  readonly lines: number;
}

/** What begins a block that is no function's. */
const noFunction =
  /^(\}\s*)?(if|else|for|while|switch|try|catch|finally|do|with|class|interface|enum|namespace)\b/;
const keywords = /^(export|default|async|static|override|get|set|readonly|const|let|return)\b\s*/;
const indentOf = (line: string) => line.length - line.trimStart().length;

/**
 * The functions of a text that prettier formatted: a body ends at the first line that is not
 * indented more than the line that the function begins with.
 */
function functionsOf(text: string): Body[] {
  const lines = text.split('\n');
  return lines.flatMap((line, end) => {
    const isBody = /=>\s*\{$/.test(line) || /\)(: [^=]+)?\s*\{$/.test(line);
    if (!isBody) return [];
    const indent = indentOf(line);
    let begin = end;
    // what stands before a closing bracket is on lines of its own, which are indented more
    while (begin > 0 && /^\s*[)}]/.test(lines[begin]))
      do begin--;
      while (begin > 0 && (lines[begin].trim() === '' || indentOf(lines[begin]) > indent));
    const head = lines[begin].trim();
    if (noFunction.test(head)) return [];
    let last = end + 1;
    while (last < lines.length && (lines[last].trim() === '' || indentOf(lines[last]) > indent))
      last++;
    return [{ name: nameOf(head), lines: last - begin + 1 }];
  });
}

function nameOf(head: string): string {
  let rest = head;
  while (keywords.test(rest)) rest = rest.replace(keywords, '');
  return /^(?:function\*?\s*)?\*?(#?[\w$]+|\[Symbol\.\w+\])/.exec(rest)?.[1] ?? '(nameless)';
}

/** Compares sizes with the list: what is over, and what the list allows without need. */
function judge(
  what: string,
  found: ReadonlyMap<string, number>,
  most: number,
  list: Readonly<Record<string, number>>,
): string[] {
  const over = [...found].flatMap(([name, size]) => {
    const limit = list[name] ?? most;
    return size > limit ? [`${name} has ${size} ${what}, at most ${limit}: split it`] : [];
  });
  const loose = Object.keys(list).flatMap((name) => {
    const isNeeded = (found.get(name) ?? 0) > most;
    return isNeeded ? [] : [`${name} is not over ${most} now: delete it from the list`];
  });
  return [...over, ...loose];
}

/** The largest of each name. */
function sizesOf(
  sources: readonly Source[],
  measure: (source: Source) => readonly (readonly [string, number])[],
): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [name, size] of sources.flatMap((source) => measure(source)))
    sizes.set(name, Math.max(size, sizes.get(name) ?? 0));
  return sizes;
}

const linesOf = (text: string) => text.split('\n').length - 1;

const test = suite('form');
const sources = readSources();

test('files are short', () => {
  const sizes = sizesOf(sources, ({ path, text }) => [[path, linesOf(text)]]);
  const wrong = judge('lines', sizes, MOST_FILE, longFiles);
  assert.equal(wrong, [], wrong.join('\n'));
});

test('functions are short', () => {
  const sizes = sizesOf(sources, ({ path, text }) =>
    functionsOf(text).map(({ name, lines }) => [`${path} ${name}`, lines]),
  );
  assert.ok(sizes.size > 500, `${sizes.size} functions were found, there are more`);
  const wrong = judge('lines', sizes, MOST_FUNCTION, longFunctions);
  assert.equal(wrong, [], wrong.join('\n'));
});

test('lines are narrow', () => {
  const sizes = sizesOf(sources, ({ path, text }) => [
    [path, text.split('\n').filter((line) => line.length > MOST_COLUMNS).length],
  ]);
  const list = Object.fromEntries(
    Object.entries(wideLines).map(([path, [lines]]) => [path, lines]),
  );
  const wrong = judge(`lines of more than ${MOST_COLUMNS} columns`, sizes, 0, list);
  assert.equal(wrong, [], wrong.join('\n'));
});

test('functions are found and measured', () => {
  const text = `export async function first(a: number): Promise<void> {
  if (a > 0) {
    a--;
  }
}
class Some {
  readonly #x = 1;

  second(
    a: number,
  ): { b: number } {
    return [1].map((c) => {
      return c;
    });
  }

  static async *[Symbol.iterator](): X {
    for (
      ;
      ;
    ) {
      a();
    }
  }
}
const third = (a: number) => {
  a++;
};
export function fourth({
  a,
}: Some): void {
  try {
    a();
  } catch (error) {
    b();
  }
}
`;
  assert.equal(
    functionsOf(text).map(({ name, lines }) => `${name} ${lines}`),
    ['first 5', 'second 7', '(nameless) 3', '[Symbol.iterator] 8', 'third 3', 'fourth 9'],
  );
  assert.equal(judge('lines', new Map([['a', 9]]), 5, {}), ['a has 9 lines, at most 5: split it']);
  assert.equal(judge('lines', new Map([['a', 9]]), 5, { a: 9 }), []);
  assert.equal(judge('lines', new Map([['a', 9]]), 5, { a: 8 }), [
    'a has 9 lines, at most 8: split it',
  ]);
  assert.equal(judge('lines', new Map([['a', 4]]), 5, { a: 10 }), [
    'a is not over 5 now: delete it from the list',
  ]);
});

test.run();
