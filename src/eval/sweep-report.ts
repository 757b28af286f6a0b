// A sweep as a page for people: which policy wins at which budget, how sure that is, what it costs, and where questions were lost.
import { formatBytes } from '../math/format.ts';
import { escapeHtml, lineChart, type Series } from './chart.ts';
import type { Answer, EvalResult } from './evaluate.ts';
import { htmlTable, PALETTE, page, percent } from './page.ts';
import { type Comparison, labelOf } from './sweep.ts';

export interface SweepReport {
  readonly model: string;
  readonly data: string;
  readonly command: string;
  readonly machine: string;
  readonly results: readonly EvalResult[];
  readonly comparisons: readonly Comparison[];
}

/** Questions explained of each result. */
const EXPLAINED = 3;
const MOST_TICKS = 8;

/** A line's name: everything of a result but its budget. */
function lineOf(r: EvalResult): string {
  return labelOf({ ...r, budget: 0 }).replace(' 0', '');
}

function accuracyChart(report: SweepReport, title: string, xLabel: string, x: (r: EvalResult) => number, tick: (value: number) => string): string {
  const others = report.results.filter((r) => r.policy !== 'full');
  if (others.length === 0) return '';
  const names = [...new Set(others.map(lineOf))];
  const values = [...new Set(others.map(x))].sort((a, b) => a - b);
  // ticks that keep apart, the ends among them; a single value gets room on both sides
  const range = Math.log(values[values.length - 1] / values[0]);
  const apart = (v: number, w: number) => Math.abs(Math.log(v / w)) > range / MOST_TICKS;
  const last = values[values.length - 1];
  const shown: number[] = [];
  for (const v of values) if (shown.every((k) => apart(v, k)) && (v === last || apart(v, last))) shown.push(v);
  const ticks = (shown.length > 1 ? shown : [last / 2, last, last * 2]).map((v): [number, string] => [v, tick(v)]);
  const series = names.map((name, i): Series => {
    const points = others.filter((r) => lineOf(r) === name).map((r): [number, number] => [x(r), r.accuracy]);
    return { name, color: PALETTE[(i + 1) % PALETTE.length], points: points.sort((a, b) => a[0] - b[0]) };
  });
  const full = report.results.find((r) => r.policy === 'full');
  if (full)
    series.push({
      name: 'full',
      color: PALETTE[0],
      dashed: true,
      points: [ticks[0], ticks[ticks.length - 1]].map(([v]): [number, number] => [v, full.accuracy]),
    });
  const y = { label: 'questions answered right', ticks: [0, 0.25, 0.5, 0.75, 1].map((v): [number, string] => [v, `${100 * v}%`]) };
  return lineChart(title, { label: xLabel, scale: 'log', ticks }, y, series, { markers: true });
}

function results(report: SweepReport): string {
  const full = report.results.find((r) => r.policy === 'full');
  return htmlTable(
    ['policy', 'tokens kept', 'accuracy', '95% interval', 'of full', 'F1', 'cache at peak', 'promised', 'first token', 'prefill/s', 'decode/s'],
    report.results.map((r) => [
      lineOf(r),
      r.policy === 'full' ? 'all' : String(r.budget),
      percent(r.accuracy),
      `${percent(r.interval.low)} to ${percent(r.interval.high)}`,
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
    ['', 'against', 'difference in points', '95% interval'],
    report.comparisons.map(({ a, b, difference: d }) => [a, b, points(d.mean), `${points(d.low)} to ${points(d.high)}`]),
  );
}

function groups(report: SweepReport, of: (r: EvalResult) => EvalResult['byTopic'], name: (key: string) => string): string {
  const keys = [...new Set(report.results.flatMap((r) => Object.keys(of(r))))].sort();
  if (keys.length === 0) return '<p>The data does not tell.</p>';
  return htmlTable(
    ['policy', ...keys.map(name)],
    report.results.map((r) => [labelOf(r), ...keys.map((key) => (of(r)[key] ? percent(of(r)[key].accuracy) : ''))]),
  );
}

const WIDTH = 720;
const NAME = 96;
const ROW = 13;

/** A line a layer and head, from where the evidence was said to where most of its rows were gone, or to the end where they were kept. */
function lostChart({ evidence, distance = 0 }: Answer, tokens: number): string {
  if (!evidence) return '';
  const scale = (token: number) => NAME + (token / tokens) * (WIDTH - NAME);
  const said = (1 - distance) * tokens;
  const parts: string[] = [];
  let y = 4;
  evidence.lost.forEach((heads, layer) => {
    heads.forEach((lost, h) => {
      const kept = evidence.kept[layer][h];
      const end = lost < 0 ? tokens : lost;
      const shade = lost < 0 ? '#009e73' : '#d55e00';
      parts.push(`<text class="tick" x="${NAME - 6}" y="${y + 9}" text-anchor="end">${layer}.${h}: ${percent(kept)}</text>`);
      parts.push(`<rect class="plate" x="${NAME}" y="${y}" width="${WIDTH - NAME}" height="${ROW - 2}"/>`);
      parts.push(
        `<rect x="${scale(said).toFixed(1)}" y="${y}" width="${Math.max(2, scale(end) - scale(said)).toFixed(1)}" height="${ROW - 2}" fill="${shade}"/>`,
      );
      y += ROW;
    });
  });
  return `<svg viewBox="0 0 ${WIDTH} ${y + 4}" role="img" aria-label="where the evidence was kept and lost">${parts.join('')}</svg>`;
}

function explained(report: SweepReport): string {
  const sections = report.results.flatMap((r) => {
    const wrong = r.answers.filter((a) => !a.correct && a.evidence).slice(0, EXPLAINED);
    return wrong.map((a) => {
      const own = r.answers.filter((o) => o.conversation === a.conversation);
      const tokens = Math.round(r.tokens / new Set(r.answers.map((o) => o.conversation)).size);
      const episode = a.episode === undefined ? '' : ` It was answered from episode ${a.episode + 1}.`;
      const recalled = a.recalledTokens > 0 ? ` ${a.recalledTokens} tokens were recalled.` : '';
      return `<h3>${escapeHtml(labelOf(r))}: ${escapeHtml(a.question)}</h3><p>Expected ${escapeHtml(a.expected)}, answered ${escapeHtml(a.answer || 'nothing')} (one of ${own.length} about ${escapeHtml(a.conversation)}).${episode}${recalled}</p>${lostChart(a, tokens)}`;
    });
  });
  return sections.length > 0 ? sections.join('\n') : '<p>No question was answered wrongly by a policy that evicts.</p>';
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
${explained(report)}`,
  );
}
