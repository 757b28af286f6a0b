// A report for people: one HTML file that needs nothing else.
import { formatBytes } from '../math/format.ts';
import { type Axis, escapeHtml, lineChart, type Series, standalone, type Strip, stripChart } from './chart.ts';
import type { EvalResult } from './evaluate.ts';
import { htmlTable, PALETTE, page, percent } from './page.ts';

/** One policy's cache over one conversation. */
export interface CacheTrace {
  readonly policy: string;
  /** [tokens taken in, bytes of cached rows]. */
  readonly points: readonly (readonly [number, number])[];
  readonly promisedCacheBytes: number;
  /** Tokens kept at the end by each layer and head. */
  readonly kept: readonly Int32Array[];
}

export interface ReportData {
  readonly title: string;
  readonly model: string;
  readonly machine: string;
  readonly command: string;
  /** Results at the budget that the table shows. */
  readonly results: readonly EvalResult[];
  readonly budgetText: string;
  /** Accuracy of each policy at several budgets, as shares of the conversation. */
  readonly sweep: readonly { readonly policy: string; readonly points: readonly (readonly [share: number, accuracy: number])[] }[];
  readonly sweepQuestions: number;
  readonly traces: readonly CacheTrace[];
  readonly traceTokens: number;
}

/** A policy keeps its colour through all plots of a report. */
function colorsOf(data: ReportData): (policy: string) => string {
  const names = [...new Set(data.results.map((r) => r.policy))];
  return (policy) => PALETTE[Math.max(0, names.indexOf(policy)) % PALETTE.length];
}

function accuracyPlot(data: ReportData, color: (p: string) => string): string {
  const shares = [...new Set(data.sweep.flatMap((s) => s.points.map(([x]) => x)))].sort((a, b) => a - b);
  const x: Axis = { label: 'budget as a share of the conversation', scale: 'log', ticks: shares.map((s) => [s, s >= 1 ? 'all' : `1/${Math.round(1 / s)}`]) };
  const y: Axis = { label: 'questions answered right', ticks: [0, 0.25, 0.5, 0.75, 1].map((v) => [v, `${100 * v}%`]) };
  const series = data.sweep.map((s): Series => ({ name: s.policy, color: color(s.policy), points: [...s.points].sort((a, b) => a[0] - b[0]) }));
  return lineChart('accuracy over budget', x, y, series, { markers: true });
}

function memoryPlot(data: ReportData, color: (p: string) => string): string {
  const top = Math.max(...data.traces.flatMap((t) => [t.promisedCacheBytes, ...t.points.map(([, b]) => b)]));
  const x: Axis = { label: 'tokens taken in', ticks: [0, 0.25, 0.5, 0.75, 1].map((s) => [s * data.traceTokens, String(Math.round(s * data.traceTokens))]) };
  const y: Axis = { label: 'cached bytes', ticks: [0, 0.25, 0.5, 0.75, 1].map((s) => [s * top, formatBytes(Math.round(s * top))]) };
  const traces = data.traces.map((t): Series => ({ name: t.policy, color: color(t.policy), points: [[0, 0], ...t.points] }));
  // policies without a patched prompt promise alike; the longest prompt promises most
  const bounded = data.traces.filter((t) => t.policy !== 'full').sort((a, b) => a.promisedCacheBytes - b.promisedCacheBytes);
  const bounds = [...new Set([bounded[0], bounded[bounded.length - 1]])].filter((t) => t !== undefined);
  const promises = bounds.map((t): Series => ({
    name: `${t.policy}, promised`,
    color: color(t.policy),
    dashed: true,
    points: [
      [0, t.promisedCacheBytes],
      [data.traceTokens, t.promisedCacheBytes],
    ],
  }));
  return lineChart('cache bytes over time', x, y, [...traces, ...promises]);
}

const BINS = 300;

function keptPlot(data: ReportData, color: (p: string) => string): string {
  const strips = data.traces
    .filter((t) => t.kept.length > 0)
    .map((t): Strip => {
      const perBin = data.traceTokens / BINS;
      return {
        name: t.policy,
        color: color(t.policy),
        lines: t.kept.map((tokens) => {
          const bins = new Array<number>(BINS).fill(0);
          for (const token of tokens) bins[Math.min(BINS - 1, Math.floor(token / perBin))] += 1 / perBin;
          return bins.map((b) => Math.min(1, b));
        }),
      };
    });
  return stripChart('tokens kept', strips, 'the conversation, first token to last; a line a layer and kv head, darker where more rows were kept');
}

function table(data: ReportData): string {
  const heads = ['policy', 'tokens kept', 'accuracy', 'F1', 'cache at peak', 'promised', 'prefill', 'tokens/s'];
  const rows = data.results.map((r) => [
    r.policy,
    r.policy === 'full' ? 'all' : String(r.budget),
    percent(r.accuracy),
    r.f1.toFixed(3),
    formatBytes(r.peakCacheBytes),
    formatBytes(r.promisedBytes),
    `${(r.prefillMs / 1000).toFixed(1)} s`,
    r.decodeTokensPerSecond.toFixed(0),
  ]);
  return htmlTable(heads, rows);
}

/** The plots as SVG files of their own, by name. */
export function renderFigures(data: ReportData): Record<'accuracy' | 'memory', string> {
  const color = colorsOf(data);
  return { accuracy: standalone(accuracyPlot(data, color)), memory: standalone(memoryPlot(data, color)) };
}

export function renderReport(data: ReportData): string {
  const color = colorsOf(data);
  const questions = data.results[0]?.questions ?? 0;
  return page(
    data.title,
    `<p class="dim">${escapeHtml(data.model)} on ${escapeHtml(data.machine)}. Made by <code>${escapeHtml(data.command)}</code>.</p>
<h2>Results at ${escapeHtml(data.budgetText)} of the conversation</h2>
<p>${questions} questions, each asked on its own after the whole conversation was taken in, block by block. Right = the answer equals the expected one.</p>
${table(data)}
<h2>Accuracy over budget</h2>
<p>${data.sweepQuestions} questions at each point.</p>
${accuracyPlot(data, color)}
<h2>Cache bytes while one conversation is taken in</h2>
<p>After each block rows are evicted down to the budget. Lines show the cache after each eviction. Dashed is what was reserved when the conversation opened, with room for a block and a patched prompt before the eviction: it is never exceeded. With <code>full</code> the cache grows.</p>
${memoryPlot(data, color)}
<h2>Which tokens each policy kept</h2>
<p>At the end of that conversation. For epicache it is the cache of one episode: the others keep other parts.</p>
${keptPlot(data, color)}
`,
  );
}
