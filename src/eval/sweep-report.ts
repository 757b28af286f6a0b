// A sweep as a page for people: which policy wins at which budget, how sure that is, what it costs,
// and where questions were lost.
import { formatBytes } from '../math/format.ts';
import { escapeHtml, figure, lineChart, plate, type Series } from './chart.ts';
import type { Answer, EvalResult } from './results.ts';
import { htmlTable, lineStyle, type NextStep, nextSteps, page, percent } from './page.ts';
import { type Comparison, labelOf } from './sweep.ts';

export interface SweepReport {
  readonly model: string;
  readonly data: string;
  readonly command: string;
  readonly machine: string;
  readonly results: readonly EvalResult[];
  readonly comparisons: readonly Comparison[];
  readonly next?: readonly NextStep[];
}

/** Questions explained of each result. */
const EXPLAINED = 3;
const MOST_TICKS = 8;

/** A line's name: everything of a result but its budget. */
function lineOf(r: EvalResult): string {
  return labelOf({ ...r, budget: 0 }).replace(' 0', '');
}

function accuracyChart(
  report: SweepReport,
  title: string,
  xLabel: string,
  x: (r: EvalResult) => number,
  tick: (value: number) => string,
): string {
  const others = report.results.filter((r) => r.policy !== 'full');
  if (others.length === 0) return '';
  const names = [...new Set(others.map(lineOf))];
  const values = [...new Set(others.map(x))].sort((a, b) => a - b);
  // ticks that keep apart, the ends among them; a single value gets room on both sides
  const range = Math.log(values[values.length - 1] / values[0]);
  const apart = (v: number, w: number) => Math.abs(Math.log(v / w)) > range / MOST_TICKS;
  const last = values[values.length - 1];
  const shown: number[] = [];
  for (const v of values)
    if (shown.every((k) => apart(v, k)) && (v === last || apart(v, last))) shown.push(v);
  const ticks = (shown.length > 1 ? shown : [last / 2, last, last * 2]).map(
    (v): [number, string] => [v, tick(v)],
  );
  const series = names.map((name, i): Series => {
    const points = others
      .filter((r) => lineOf(r) === name)
      .map((r): [number, number] => [x(r), r.accuracy]);
    return { name, ...lineStyle(i + 1), points: points.sort((a, b) => a[0] - b[0]) };
  });
  const full = report.results.find((r) => r.policy === 'full');
  if (full)
    series.push({
      name: 'full',
      color: lineStyle(0).color,
      dash: '5 4',
      points: [ticks[0], ticks[ticks.length - 1]].map(([v]): [number, number] => [
        v,
        full.accuracy,
      ]),
    });
  const y = {
    label: 'questions answered right',
    ticks: [0, 0.25, 0.5, 0.75, 1].map((v): [number, string] => [v, `${100 * v}%`]),
    format: percent,
  };
  const over = { label: xLabel, scale: 'log', ticks, format: tick } as const;
  return figure((width) => lineChart(title, over, y, series, { markers: true, width }));
}

function results(report: SweepReport): string {
  const full = report.results.find((r) => r.policy === 'full');
  return htmlTable(
    'results',
    [
      'policy',
      'accuracy',
      '95% interval',
      'tokens kept',
      'of full',
      'F1',
      'cache at peak',
      'promised',
      'first token',
      'prefill/s',
      'decode/s',
    ],
    report.results.map((r) => [
      lineOf(r),
      percent(r.accuracy),
      `${percent(r.interval.low)} to ${percent(r.interval.high)}`,
      r.policy === 'full' ? 'all' : String(r.budget),
      full ? percent(r.accuracy / full.accuracy) : '',
      r.f1.toFixed(3),
      formatBytes(r.peakCacheBytes),
      formatBytes(r.promisedBytes),
      `${r.firstTokenMs.toFixed(1)} ms`,
      r.prefillTokensPerSecond.toFixed(0),
      r.decodeTokensPerSecond.toFixed(0),
    ]),
  );
}

function comparisons(report: SweepReport): string {
  const points = (x: number) => `${x >= 0 ? '+' : ''}${(100 * x).toFixed(1)}`;
  return htmlTable(
    'differences',
    ['', 'against', 'difference in points', '95% interval'],
    report.comparisons.map(({ a, b, difference: d }) => [
      a,
      b,
      points(d.mean),
      `${points(d.low)} to ${points(d.high)}`,
    ]),
  );
}

function groups(
  report: SweepReport,
  of: (r: EvalResult) => EvalResult['byTopic'],
  name: (key: string) => string,
): string {
  const keys = [...new Set(report.results.flatMap((r) => Object.keys(of(r))))].sort();
  if (keys.length === 0) return '<p>The data does not tell.</p>';
  return htmlTable(
    'accuracy by group',
    ['policy', ...keys.map(name)],
    report.results.map((r) => [
      labelOf(r),
      ...keys.map((key) => (of(r)[key] ? percent(of(r)[key].accuracy) : '')),
    ]),
  );
}

/** Units along the conversation, and pixels of a line. */
const LOST_UNITS = 1000;
const ROW = 13;

/**
 * A line a layer and head, from where the evidence was said to where most of its rows were gone, or
 * to the end where they were kept.
 */
function lostChart({ evidence, distance = 0 }: Answer, tokens: number): string {
  if (!evidence) return '';
  const scale = (token: number) => Math.round((token / tokens) * LOST_UNITS);
  const said = scale((1 - distance) * tokens);
  const names: string[] = [];
  const bars: string[] = [];
  evidence.lost.forEach((heads, layer) => {
    heads.forEach((lost, h) => {
      const width = Math.max(3, scale(lost < 0 ? tokens : lost) - said);
      const shade = lost < 0 ? '#009e73' : '#d55e00';
      bars.push(
        `<path d="M${said} ${names.length * ROW + 1}h${width}v${ROW - 2}h-${width}z" ` +
          `fill="${shade}"/>`,
      );
      names.push(`${layer}.${h}: ${percent(evidence.kept[layer][h])}`);
    });
  });
  const drawing = plate(
    LOST_UNITS,
    names.length * ROW,
    'where the evidence was kept and lost',
    bars.join(''),
  );
  return `<div class="lost"><div>${names.join('<br>')}</div>${drawing}</div>`;
}

function explained(report: SweepReport): string {
  const sections = report.results.flatMap((r) => {
    const all = r.answers.filter((a) => !a.correct && a.evidence);
    if (all.length === 0) return [];
    const tokens = Math.round(r.tokens / new Set(r.answers.map((o) => o.conversation)).size);
    const shown = all.slice(0, EXPLAINED).map((a) => {
      const own = r.answers.filter((o) => o.conversation === a.conversation);
      const episode =
        a.episode === undefined ? '' : ` It was answered from episode ${a.episode + 1}.`;
      const recalled = a.recalledTokens > 0 ? ` ${a.recalledTokens} tokens were recalled.` : '';
      return (
        `<h3>${escapeHtml(a.question)}</h3><p>Expected ${escapeHtml(a.expected)}, answered ` +
        `${escapeHtml(a.answer || 'nothing')} (one of ${own.length} about ` +
        `${escapeHtml(a.conversation)}).${episode}${recalled}</p>${lostChart(a, tokens)}`
      );
    });
    const wrong = `${all.length} of ${r.answers.length} answered wrongly`;
    const more = shown.length < all.length ? `, the first ${shown.length} of them` : '';
    return [
      `<details><summary>${escapeHtml(labelOf(r))}: ` +
        `${wrong}${more}</summary>${shown.join('\n')}</details>`,
    ];
  });
  if (sections.length === 0)
    return '<p>No question was answered wrongly by a policy that evicts.</p>';
  return sections.join('\n').replace('<details>', '<details open>');
}

const QUARTER_NAMES = ['newest quarter', 'second', 'third', 'oldest quarter'];

export function renderSweep(report: SweepReport): string {
  const questions = report.results[0]?.questions ?? 0;
  return page(
    'Policies on conversations',
    `<p class="dim">${escapeHtml(report.model)} on ${escapeHtml(report.data)}, ${escapeHtml(report.machine)}. Made by <code>${escapeHtml(report.command)}</code>.</p>
<p>${questions} questions, each asked on its own. Right = the answer equals the expected one. Intervals are bootstraps over questions, in pairs where two results are compared.</p>
<h2>Accuracy over budget</h2>
${accuracyChart(report, 'accuracy over budget', 'tokens kept per head', (r) => r.budget, String)}
<h2>Accuracy over bytes</h2>
<p>Cache bytes at their fullest, keys and values and all that is kept beside them.</p>
${accuracyChart(
  report,
  'accuracy over bytes',
  'cache bytes at peak',
  (r) => r.peakCacheBytes,
  (v) => formatBytes(Math.round(v)),
)}
<h2>Results</h2>
${results(report)}
<h2>Differences</h2>
<p>Each result against <code>full</code>, and against the best other result at its budget. An interval that holds 0 says that the questions do not tell the two apart.</p>
${comparisons(report)}
<h2>By distance of the evidence</h2>
${groups(
  report,
  (r) => r.byDistance,
  (key) => QUARTER_NAMES[Number(key)],
)}
<h2>By topic</h2>
${groups(
  report,
  (r) => r.byTopic,
  (key) => key,
)}
<h2>Where questions were lost</h2>
<p>The first wrong answers of each result. A line a layer and head, with the share of the evidence's rows that it held when the question came: from where the evidence was said, green to the end where they were kept, red to the block after which most were gone.</p>
${explained(report)}
${nextSteps(report.next ?? [])}`,
  );
}
