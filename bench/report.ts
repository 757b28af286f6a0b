// What a run of the benches measured: in a line, and as a page.
import { lineChart, standalone } from '../src/eval/chart.ts';
import type { Limits, Measurement } from './case.ts';
import type { DeviceFacts } from './webgpu/group.ts';

export interface BenchRun {
  readonly machine: string;
  readonly date: string;
  readonly limits: Limits;
  /** Other engines that were there, with their versions. */
  readonly peers: Readonly<Record<string, string>>;
  /** The WebGPU device, where one was measured. */
  readonly device?: DeviceFacts;
  readonly groups: {
    readonly name: string;
    readonly summary: string;
    readonly measurements: readonly Measurement[];
    /** What it measured in further passes, one after the other. */
    readonly again?: readonly (readonly Measurement[])[];
  }[];
}

/** How many times as good as a peer: faster, or done in less time. */
export function ratioOf({ rate, unit }: Measurement, peer: { readonly rate: number }): number {
  return unit === 'ms' ? peer.rate / rate : rate / peer.rate;
}

/** Two digits at least; whole numbers as they are. */
export function format(x: number): string {
  if (x !== 0 && Math.abs(x) < 0.1) return x.toPrecision(2);
  return x.toFixed(Math.abs(x) < 10 ? 2 : Number.isInteger(x) ? 0 : 1);
}
const shareOf = ({ share, limit }: Measurement) =>
  share === undefined ? '' : `${(100 * share).toFixed(0)}% of ${limit}`;
const peersOf = (m: Measurement) =>
  (m.peers ?? []).map((p) => `${format(ratioOf(m, p))} x ${p.name} (${format(p.rate)})`);

export function describe(m: Measurement): string {
  return `${m.name.padEnd(44)} ${format(m.rate).padStart(9)} ${m.unit.padEnd(9)} ${[shareOf(m), ...peersOf(m), m.note].filter(Boolean).join('; ')}`.trimEnd();
}

const COLORS = ['#0b6e4f', '#2a6fbb', '#b3541e', '#7a4fa3'];

/** Plots of what was measured over something that grows, by the name of its group. */
export function figuresOf({ groups }: BenchRun): Record<string, string> {
  const figures: Record<string, string> = {};
  for (const { name, measurements } of groups) {
    const placed = measurements.filter((m) => m.at);
    if (placed.length === 0) continue;
    const xs = [...new Set(placed.map((m) => m.at!.x))].sort((a, b) => a - b);
    const top = Math.max(...placed.map((m) => m.rate));
    const series = [...new Set(placed.map((m) => m.at!.series))].map((one, i) => ({
      name: one,
      color: COLORS[i % COLORS.length],
      points: placed
        .filter((m) => m.at!.series === one)
        .map((m): [number, number] => [m.at!.x, m.rate]),
    }));
    const x = {
      label: 'tokens of conversation',
      scale: 'log' as const,
      ticks: xs.map((v): [number, string] => [v, `${v / 1024}k`]),
    };
    const y = {
      label: `${placed[0].unit} a block`,
      ticks: [0, 1, 2, 3, 4].map((i): [number, string] => [
        (i / 4) * top,
        ((i / 4) * top).toFixed(0),
      ]),
    };
    figures[name] = standalone(
      lineChart(`${name}: ${placed[0].unit} a block`, x, y, series, { markers: true }),
    );
  }
  return figures;
}

export function toMarkdown(run: BenchRun): string {
  const { machine, date, limits, peers, groups } = run;
  const figures = figuresOf(run);
  const versions = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const tables = groups.map(({ name, summary, measurements }) => {
    const lines = measurements.map(
      (m) =>
        `| ${[m.name, `${format(m.rate)} ${m.unit}`, shareOf(m), peersOf(m).join(', '), m.note ?? ''].map(cell).join(' | ')} |`,
    );
    const figure = figures[name] ? [`![${name}](figures/${name}.svg)`, ''] : [];
    return [
      `## ${name}`,
      '',
      `${summary}.`,
      '',
      ...figure,
      '| what | rate | of the limit | beside others | |',
      '| --- | ---: | ---: | --- | --- |',
      ...lines,
    ].join('\n');
  });
  const head = [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --docs`; do not edit. Limits and other engines are measured ' +
      'in the same run; shared machines are noisy, so ratios count.',
    'Other engines are measured where `npm install --prefix bench/peers` has put them (wllama ' +
      'needs Chromium, too).',
    '',
    `${machine}, ${date}. Register tile ${format(limits.tileGflops)} GFLOP/s, memory read ` +
      `${format(limits.readGbs)} GB/s.`,
    ...(versions.length > 0 ? ['', `Beside: ${versions.join(', ')}.`] : []),
  ].join('\n');
  return `${[head, ...tables].join('\n\n')}\n`;
}
