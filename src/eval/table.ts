// Results as a table for terminals.
import { formatBytes } from '../math/format.ts';
import type { EvalResult } from './evaluate.ts';

const columns: readonly [title: string, cell: (r: EvalResult) => string][] = [
  ['policy', (r) => r.policy],
  ['kept', (r) => (r.policy === 'full' ? 'all' : String(r.budget))],
  ['accuracy', (r) => `${(100 * r.accuracy).toFixed(1)}%`],
  ['F1', (r) => r.f1.toFixed(3)],
  ['questions', (r) => String(r.questions)],
  ['cache at peak', (r) => formatBytes(r.peakCacheBytes)],
  ['promised', (r) => formatBytes(r.promisedBytes)],
  ['prefill', (r) => `${(r.prefillMs / 1000).toFixed(1)} s`],
  ['decode tok/s', (r) => r.decodeTokensPerSecond.toFixed(0)],
];

/** One line a result, the first column left, the others right. */
export function resultTable(results: readonly EvalResult[]): string {
  const rows = [columns.map(([title]) => title), ...results.map((r) => columns.map(([, cell]) => cell(r)))];
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')).join('\n');
}
