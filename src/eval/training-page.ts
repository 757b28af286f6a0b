// A training as a page for people: how the loss fell, what it took, what to do next.
import { formatBytes } from '../math/format.ts';
import type { TrainingResult } from '../train/report.ts';
import { escapeHtml, figure, lineChart, type Series } from './chart.ts';
import { htmlTable, lineStyle, type NextStep, nextSteps, page } from './page.ts';

export interface TrainingPage {
  readonly model: string;
  readonly data: string;
  readonly command: string;
  readonly machine: string;
  readonly result: TrainingResult;
  readonly lines: number;
  readonly seconds: number;
  readonly next?: readonly NextStep[];
}

/** Points of the smoothed line, about. */
const SMOOTH_PARTS = 40;
const TICKS = 5;
/** Losses are not told apart below. */
export const LEAST_LOSS = 0.001;

/** Each number averaged with those around it. */
export function smoothed(numbers: readonly number[]): number[] {
  const half = Math.floor(numbers.length / SMOOTH_PARTS / 2);
  return numbers.map((_, i) => {
    const near = numbers.slice(Math.max(0, i - half), i + half + 1);
    return near.reduce((a, b) => a + b, 0) / near.length;
  });
}

/** Numbers from 0 to a round one above the highest, `least` apart at least. */
export function ticksTo(
  highest: number,
  least: number,
  format: (value: number) => string,
): [number, string][] {
  const rough = Math.max(least, highest / TICKS);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough)!;
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, i): [number, string] => [
    i * step,
    format(i * step),
  ]);
}

export const nats = (value: number) => value.toFixed(3);
export const tick = (value: number) => String(Number(value.toPrecision(3)));

export function lossChart({ losses, heldOut }: Pick<TrainingResult, 'losses' | 'heldOut'>): string {
  const at = (i: number) => i + 1;
  const series: Series[] = [
    {
      name: 'each step',
      color: lineStyle(0).color,
      points: losses.map((loss, i) => [at(i), loss]),
    },
  ];
  if (losses.length >= 2 * SMOOTH_PARTS)
    series.push({
      name: 'smoothed',
      color: lineStyle(1).color,
      points: smoothed(losses).map((loss, i) => [at(i), loss]),
    });
  if (heldOut)
    series.push({
      name: 'held out',
      color: lineStyle(2).color,
      points: heldOut.losses,
    });
  const highest = Math.max(...series.flatMap(({ points }) => points.map(([, loss]) => loss)));
  const x = { label: 'step', ticks: ticksTo(losses.length, 1, String) };
  const y = {
    label: 'loss a token, nats',
    ticks: ticksTo(highest, LEAST_LOSS, tick),
    format: nats,
  };
  return figure((width) => lineChart('loss over steps', x, y, series, { width }));
}

/** What the lines that were held out say. */
export function verdict({ heldOut }: Pick<TrainingResult, 'heldOut'>): string {
  if (!heldOut) return 'No lines were held out: what it learned beyond its lines was not measured.';
  const losses = heldOut.losses.map(([, loss]) => loss);
  const [before, after, best] = [losses[0], losses.at(-1)!, Math.min(...losses)];
  const change = `${nats(before)} to ${nats(after)} nats a token`;
  if (after >= before)
    return (
      `Lines that it was not shown became less likely: ${change}. It learned the others by ` +
      `heart: train fewer epochs, or on more lines.`
    );
  const told = `Lines that it was not shown became more likely: ${change}.`;
  return best < after ? `${told} They were at ${nats(best)} before: fewer epochs may do.` : told;
}

export function trainingPage(report: TrainingPage): string {
  const { result, model, data, lines, seconds } = report;
  const { losses, heldOut, plan, steps } = result;
  const ends = (list: readonly number[]) => `${nats(list[0])}, ${nats(list.at(-1)!)}`;
  const rows: [string, string][] = [
    ['steps', String(steps)],
    ['lines learned', String(lines)],
    ['loss, first and last', ends(losses)],
    ...(heldOut
      ? [
          ['lines held out', String(heldOut.lines)] as [string, string],
          ['their loss', ends(heldOut.losses.map(([, loss]) => loss))] as [string, string],
        ]
      : []),
    ['time', `${seconds.toFixed(1)} s`],
    ['memory promised', formatBytes(plan.totalBytes)],
    ['tokens at a time', String(plan.tokens)],
  ];
  return page(
    `Training on ${data}`,
    `<p class="dim">${escapeHtml(model)}, ${escapeHtml(report.machine)}</p>
<p>${escapeHtml(verdict(result))}</p>
${lossChart(result)}
${htmlTable('figures', ['', ''], rows)}
<h2>The command</h2>
<pre tabindex="0"><code>${escapeHtml(report.command)}</code></pre>
${nextSteps(report.next ?? [])}`,
  );
}
