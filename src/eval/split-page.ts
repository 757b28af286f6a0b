// A split training as a page for people: how the loss fell over steps and over bytes, what the
// bytes were for, and which channels got how many bits.
import { formatBytes } from '../math/format.ts';
import type { SplitResult } from '../split/train.ts';
import { escapeHtml, figure, lineChart, type Series } from './chart.ts';
import { heatMap } from './heat-map.ts';
import { htmlTable, lineStyle, type NextStep, nextSteps, page, percent } from './page.ts';
import { LEAST_LOSS, lossChart, nats, smoothed, tick, ticksTo, verdict } from './training-page.ts';

export interface SplitPage {
  readonly model: string;
  readonly data: string;
  readonly command: string;
  readonly machine: string;
  /** 'amaq at 4 bits' */
  readonly codec: string;
  readonly isByToken: boolean;
  readonly result: Omit<SplitResult, 'adapter'>;
  readonly lines: number;
  readonly seconds: number;
  readonly next?: readonly NextStep[];
}

const MIB = 2 ** 20;

function bytesChart({ losses, heldOut, course }: SplitPage['result']): string {
  const sent = (step: number) => (step === 0 ? 0 : course.bytes[step - 1]) / MIB;
  const series: Series[] = [
    {
      name: 'learned',
      color: lineStyle(1).color,
      points: smoothed(losses).map((loss, i) => [sent(i + 1), loss]),
    },
  ];
  if (heldOut)
    series.push({
      name: 'held out',
      color: lineStyle(2).color,
      points: heldOut.losses.map(([step, loss]) => [sent(step), loss]),
    });
  const highest = Math.max(...series.flatMap(({ points }) => points.map(([, loss]) => loss)));
  const format = (value: number) => `${tick(value)} MiB`;
  const x = { label: 'sent and received', ticks: ticksTo(sent(losses.length), 1e-3, format) };
  const y = {
    label: 'loss a token, nats',
    ticks: ticksTo(highest, LEAST_LOSS, tick),
    format: nats,
  };
  return figure((width) => lineChart('loss over bytes', x, y, series, { width }));
}

const ABOUT_BYTES =
  'Numbers travel in frames: ranges are the least and the largest of each channel, maps say ' +
  'which bits channels have and which tokens were sent, headers whose frame it is. All else: ' +
  'messages around frames, what should follow tokens, the adapter, what broken connections sent ' +
  'twice. Saved: what f32 would have taken in place of frames, less what they took.';

/** What the bytes were for, and how many there were. */
function bytesTable({ traffic }: SplitPage['result']): string {
  const { sentBytes, receivedBytes, frames, otherBytes, savedBytes, reconnects } = traffic;
  const all = sentBytes + receivedBytes;
  const of = (bytes: number) => [formatBytes(bytes), percent(bytes / all)];
  return htmlTable(
    'bytes',
    ['', 'bytes', 'of all'],
    [
      ['sent', ...of(sentBytes)],
      ['received', ...of(receivedBytes)],
      ['numbers', ...of(frames.payload)],
      ['ranges', ...of(frames.ranges)],
      ['maps', ...of(frames.maps)],
      ['headers', ...of(frames.headers)],
      ['all else', ...of(otherBytes)],
      ['saved', formatBytes(Math.max(0, savedBytes)), ''],
      ['reconnects', String(reconnects), ''],
    ],
  );
}

function heatMaps({ course: { bits } }: SplitPage['result'], lanes: string): string {
  const names = ['where the client’s layers end', 'where the server’s layers end'];
  if (bits[0].bits.length === 0) return '<p>All numbers are f32.</p>';
  return bits[0].bits
    .map((_, i) => `<h3>Bits ${names[i]}</h3>\n${heatMap(bits, i, lanes)}`)
    .join('\n');
}

export function splitPage(report: SplitPage): string {
  const { result, model, data, lines, seconds, codec } = report;
  const { losses, steps, course } = result;
  const means = course.meanBits.at(-1)!;
  const rows: [string, string][] = [
    ['codec', codec],
    ['bits at the end', means.map((bits) => bits.toFixed(2)).join(', ') || '32'],
    ['steps', String(steps)],
    ['lines learned', String(lines)],
    ['loss', `${nats(losses[0])} to ${nats(losses.at(-1)!)}`],
    ['time', `${seconds.toFixed(1)} s`],
  ];
  return page(
    `Split training on ${data}`,
    `<p class="dim">${escapeHtml(model)}, ${escapeHtml(report.machine)}</p>
<p>${escapeHtml(verdict(result))}</p>
${lossChart(result)}
${bytesChart(result)}
${htmlTable('figures', ['', ''], rows)}
<h2>Bytes</h2>
${bytesTable(result)}
<p class="dim">${ABOUT_BYTES}</p>
<h2>Bits</h2>
${heatMaps(result, report.isByToken ? 'positions' : 'channels')}
<h2>The command</h2>
<pre tabindex="0"><code>${escapeHtml(report.command)}</code></pre>
${nextSteps(report.next ?? [])}`,
  );
}
