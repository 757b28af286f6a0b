// Words for people: what they may have meant, how this program was started, lines that fit.

const MOST_TYPOS = 0.4;

/** The one of `words` that `word` may have been meant to be; undefined where none is near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const given = word.toLowerCase();
  const [best] = words
    .map((w) => ({ w, typos: distance(given, w) }))
    .sort((a, b) => a.typos - b.typos);
  if (best && best.typos <= Math.max(1, Math.floor(given.length * MOST_TYPOS))) return best.w;
  return given.length > 2 ? words.find((w) => w.startsWith(given)) : undefined;
}

/** Letters to insert, delete, replace, or swap with their neighbour. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.length][b.length];
}

/** ' (did you mean ...?)', or nothing. */
export function meant(word: string, words: readonly string[], mark = ''): string {
  const near = nearest(word, words);
  return near === undefined ? '' : ` (did you mean ${mark}${near}?)`;
}

/** Lines of at most `width` letters, cut between words. */
export function fold(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => {
      const indent = /^ */.exec(line)![0];
      const lines: string[] = [];
      let current = indent;
      for (const word of line.trim().split(/ +/)) {
        if (current.trim() !== '' && current.length + 1 + word.length > width) {
          lines.push(current);
          current = indent;
        }
        current += current.trim() === '' ? word : ` ${word}`;
      }
      return [...lines, current].join('\n');
    })
    .join('\n');
}

/** Letters of a line that is printed. */
export const LINE = 79;

/** Text behind a heading, its further lines under its first. */
export function hung(heading: string, text: string): string {
  return fold(text, LINE - heading.length)
    .split('\n')
    .map((line, i) => (i === 0 ? heading : ' '.repeat(heading.length)) + line)
    .join('\n');
}

/** '1 line', '2 lines'. */
export const counted = (count: number, thing: string): string =>
  `${count} ${thing}${count === 1 ? '' : 's'}`;

/** An argument as a shell takes it. */
export function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

/** What stands in front of a command's name, as this program was started. */
export function startedAs(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.npm_command === 'exec') return 'npx recollect';
  const { npm_package_name: name, npm_lifecycle_event: script = '' } = environment;
  const ours = name === 'recollect' && (script === 'start' || script === 'recollect');
  return ours ? 'npm run -s recollect --' : 'recollect';
}
