// Results as a table for terminals.
import { formatBytes } from '../math/format.ts';
import type { EvalResult } from './evaluate.ts';

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
  ['questions', (r) => String(r.questions)],
  ['cache at peak', (r) => formatBytes(r.peakCacheBytes)],
  ['promised', (r) => formatBytes(r.promisedBytes)],
  ['first token', (r) => `${r.firstTokenMs.toFixed(1)} ms`],
  ['prefill', (r) => `${(r.prefillMs / 1000).toFixed(1)} s`],
  ['decode tok/s', (r) => r.decodeTokensPerSecond.toFixed(0)],
];

/** Columns that say the same of every result are left out where only a sweep would vary them. */
const varying = new Set(['heads', 'layers', 'rows', 'recall']);

/** One line a result, the first column left, the others right. */
export function resultTable(results: readonly EvalResult[]): string {
  const shown = columns.filter(([title, cell]) => !varying.has(title) || new Set(results.map(cell)).size > 1);
  const rows = [shown.map(([title]) => title), ...results.map((r) => shown.map(([, cell]) => cell(r)))];
  const widths = shown.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')).join('\n');
}
