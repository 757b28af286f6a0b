// A report for people: one HTML file that needs nothing else.
import { formatBytes } from '../math/format.ts';
import {
  type Axis,
  escapeHtml,
  figure,
  lineChart,
  type Series,
  standalone,
  type Strip,
  stripChart,
} from './chart.ts';
import type { EvalResult } from './results.ts';
import { htmlTable, lineStyle, type NextStep, nextSteps, page, percent } from './page.ts';

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
  readonly sweep: readonly {
    readonly policy: string;
    readonly points: readonly (readonly [share: number, accuracy: number])[];
  }[];
  readonly sweepQuestions: number;
  readonly traces: readonly CacheTrace[];
  readonly traceTokens: number;
  readonly next?: readonly NextStep[];
}

type Style = (policy: string) => { color: string; dash?: string };

/** A policy keeps its colour through all plots of a report. */
function stylesOf(data: ReportData): Style {
  const names = [...new Set(data.results.map((r) => r.policy))];
  return (policy) => lineStyle(Math.max(0, names.indexOf(policy)));
}

function accuracyPlot(data: ReportData, style: Style, width?: number): string {
  const shares = [...new Set(data.sweep.flatMap((s) => s.points.map(([x]) => x)))].sort(
    (a, b) => a - b,
  );
  const share = (s: number) => (s >= 1 ? 'all' : `1/${Math.round(1 / s)}`);
  const x: Axis = {
    label: 'budget as a share of the conversation',
    scale: 'log',
    ticks: shares.map((s) => [s, share(s)]),
    format: share,
  };
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((v): [number, string] => [v, `${100 * v}%`]);
  const y: Axis = { label: 'questions answered right', ticks, format: percent };
  const series = data.sweep.map((s): Series => ({
    name: s.policy,
    ...style(s.policy),
    points: [...s.points].sort((a, b) => a[0] - b[0]),
  }));
  return lineChart('accuracy over budget', x, y, series, { markers: true, width });
}

/** From nothing to a round number of bytes that is no less: ticks that read well. */
function bytesAxis(most: number): [bytes: number, text: string][] {
  const unit = [2 ** 30, 2 ** 20, 2 ** 10].find((u) => most >= u) ?? 1;
  const power = unit * 10 ** Math.floor(Math.log10(Math.max(1, most / unit)));
  const top = [1, 2, 3, 4, 5, 6, 8, 10].find((n) => n * power >= most) ?? 10;
  const steps = top % 5 === 0 ? 5 : top % 3 === 0 ? 3 : 4;
  return Array.from({ length: steps + 1 }, (_, i) => {
    const bytes = Math.round((i / steps) * top * power);
    return [bytes, formatBytes(bytes)];
  });
}

function memoryPlot(data: ReportData, style: Style, width?: number): string {
  const quarters = [0, 0.25, 0.5, 0.75, 1];
  const most = Math.max(
    ...data.traces.flatMap((t) => [t.promisedCacheBytes, ...t.points.map(([, b]) => b)]),
  );
  const bytes = (b: number) => formatBytes(Math.round(b));
  const x: Axis = {
    label: 'tokens taken in',
    ticks: quarters.map((s) => [s * data.traceTokens, String(Math.round(s * data.traceTokens))]),
    format: (v) => `${Math.round(v)} tokens`,
  };
  const y: Axis = {
    label: 'cached bytes',
    ticks: bytesAxis(most),
    format: bytes,
  };
  const traces = data.traces.map((t): Series => ({
    name: t.policy,
    ...style(t.policy),
    points: [[0, 0], ...t.points],
  }));
  // policies without a patched prompt promise alike; the longest prompt promises most
  const bounded = data.traces
    .filter((t) => t.policy !== 'full')
    .sort((a, b) => a.promisedCacheBytes - b.promisedCacheBytes);
  const bounds = [...new Set([bounded[0], bounded[bounded.length - 1]])];
  const promises = bounds
    .filter((t) => t !== undefined)
    .map((t): Series => ({
      name: `${t.policy}, promised`,
      color: style(t.policy).color,
      dash: '5 4',
      points: [
        [0, t.promisedCacheBytes],
        [data.traceTokens, t.promisedCacheBytes],
      ],
    }));
  return lineChart('cache bytes over time', x, y, [...traces, ...promises], { width });
}

const BINS = 300;

function keptPlot(data: ReportData, style: Style): string {
  const strips = data.traces
    .filter((t) => t.kept.length > 0)
    .map((t): Strip => {
      const perBin = data.traceTokens / BINS;
      return {
        name: t.policy,
        color: style(t.policy).color,
        lines: t.kept.map((tokens) => {
          const bins = new Array<number>(BINS).fill(0);
          for (const token of tokens)
            bins[Math.min(BINS - 1, Math.floor(token / perBin))] += 1 / perBin;
          return bins.map((b) => Math.min(1, b));
        }),
      };
    });
  return stripChart(
    strips,
    'The conversation from left to right; a line a layer and kv head, darker where more rows ' +
      'were kept.',
  );
}

function table(data: ReportData): string {
  const heads = [
    'policy',
    'accuracy',
    'tokens kept',
    'F1',
    'cache at peak',
    'promised',
    'prefill',
    'tokens/s',
  ];
  const rows = data.results.map((r) => [
    r.policy,
    percent(r.accuracy),
    r.policy === 'full' ? 'all' : String(r.budget),
    r.f1.toFixed(3),
    formatBytes(r.peakCacheBytes),
    formatBytes(r.promisedBytes),
    `${(r.prefillMs / 1000).toFixed(1)} s`,
    r.decodeTokensPerSecond.toFixed(0),
  ]);
  return htmlTable('results', heads, rows);
}

/** What the numbers come to, in a sentence. */
function summary(data: ReportData): string {
  const full = data.results.find((r) => r.policy === 'full');
  const others = data.results.filter((r) => r !== full);
  const best = [...others].sort((a, b) => b.accuracy - a.accuracy)[0];
  if (!full || !best) return '';
  const times = (full.peakCacheBytes / best.peakCacheBytes).toFixed(1);
  return (
    `<p><strong>${escapeHtml(best.policy)} answered ${percent(best.accuracy)} of the ` +
    `questions from ${escapeHtml(data.budgetText)} of the cache rows; the full cache, ${times} ` +
    `times as large at its peak, ${percent(full.accuracy)}.</strong></p>`
  );
}

/** The plots as SVG files of their own, by name. */
export function renderFigures(data: ReportData): Record<'accuracy' | 'memory', string> {
  const style = stylesOf(data);
  return {
    accuracy: standalone(accuracyPlot(data, style)),
    memory: standalone(memoryPlot(data, style)),
  };
}

export function renderReport(data: ReportData): string {
  const style = stylesOf(data);
  const questions = data.results[0]?.questions ?? 0;
  return page(
    data.title,
    `<p class="dim">${escapeHtml(data.model)} on ${escapeHtml(data.machine)}. Made by <code>${escapeHtml(data.command)}</code>.</p>
${summary(data)}
<h2>Results at ${escapeHtml(data.budgetText)} of the conversation</h2>
<p>${questions} questions, each asked on its own after the whole conversation was taken in, block by block. Right = the answer equals the expected one.</p>
${table(data)}
<h2>Accuracy over budget</h2>
<p>${data.sweepQuestions} questions at each point.</p>
${figure((width) => accuracyPlot(data, style, width))}
<h2>Cache bytes while one conversation is taken in</h2>
<p>After each block rows are evicted down to the budget. Lines show the cache after each eviction. Dashed is what was reserved when the conversation opened, with room for a block and a patched prompt before the eviction: it is never exceeded. With <code>full</code> the cache grows.</p>
${figure((width) => memoryPlot(data, style, width))}
<h2>Which tokens each policy kept</h2>
<p>At the end of that conversation. For epicache it is the cache of one episode: the others keep other parts.</p>
${keptPlot(data, style)}
${nextSteps(data.next ?? [])}
`,
  );
}
