// Results as a table for terminals.
import { formatBytes } from '../math/format.ts';
import type { EvalResult } from './results.ts';

const columns: readonly [title: string, cell: (r: EvalResult) => string][] = [
  ['policy', (r) => r.policy],
  ['heads', (r) => r.heads],
  ['layers', (r) => r.layers],
  ['rows', (r) => r.cacheType],
  ['recall', (r) => String(r.recall)],
  ['kept', (r) => (r.policy === 'full' ? 'all' : String(r.budget))],
  ['accuracy', (r) => `${(100 * r.accuracy).toFixed(1)}%`],
  ['95%', (r) => `${(100 * r.interval.low).toFixed(0)}-${(100 * r.interval.high).toFixed(0)}`],
  ['F1', (r) => r.f1.toFixed(3)],
  ['cache', (r) => formatBytes(r.peakCacheBytes)],
  ['promised', (r) => formatBytes(r.promisedBytes)],
  ['first', (r) => `${r.firstTokenMs.toFixed(1)} ms`],
  ['prefill', (r) => `${(r.prefillMs / 1000).toFixed(1)} s`],
  ['tok/s', (r) => r.decodeTokensPerSecond.toFixed(0)],
];

/** Columns that say the same of every result are left out where only a sweep would vary them. */
const varying = new Set(['heads', 'layers', 'rows', 'recall']);

/** Columns that go where there is no room, the first first. */
const dispensable = ['F1', 'prefill', 'tok/s', 'first', '95%', 'promised', 'cache'];

/** Letters of a line where no terminal says. */
const MOST_LETTERS = 99;
const GAP = 2;

/**
 * One line a result, the first column left, the others right, and what the columns mean. No line is
 * longer than `width`.
 */
export function resultTable(results: readonly EvalResult[], width = MOST_LETTERS): string {
  let shown = columns.filter(
    ([title, cell]) => !varying.has(title) || new Set(results.map(cell)).size > 1,
  );
  const rowsOf = () => [
    shown.map(([title]) => title),
    ...results.map((r) => shown.map(([, cell]) => cell(r))),
  ];
  const widthsOf = (rows: string[][]) =>
    shown.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const total = () => widthsOf(rowsOf()).reduce((sum, w) => sum + w + GAP, -GAP);
  const left: string[] = [];
  for (const title of dispensable) {
    if (total() <= width) break;
    shown = shown.filter(([name]) => name !== title);
    left.push(title);
  }
  const rows = rowsOf();
  const widths = widthsOf(rows);
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join(' '.repeat(GAP)),
  );
  const questions = `${results[0]?.questions ?? 0} questions each.`;
  const meaning = [
    ['kept', 'tokens a head'],
    ['95%', 'interval of the accuracy'],
    ['cache', 'bytes at its fullest'],
    ['promised', 'all that was reserved'],
    ['first', 'median time to the first token'],
  ].filter(([title]) => shown.some(([name]) => name === title));
  const rest = left.length > 0 ? [`Left out for want of room: ${left.join(', ')}.`] : [];
  const words = [
    questions,
    ...meaning.map(([title, what], i) => `${title}: ${what}${i < meaning.length - 1 ? ';' : '.'}`),
    ...rest,
  ];
  return [...lines, '', ...folded(words.join(' '), width)].join('\n');
}

/** Lines of words, as many to a line as there is room for. */
function folded(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
