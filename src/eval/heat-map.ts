// Bits of channels over steps as a picture: a row for each channel (or for several that have most
// bits alike), a column for each step that is known, darker for more bits.
import { escapeHtml, plate } from './chart.ts';
import { PALETTE } from './page.ts';
import type { BitsAt } from '../split/report.ts';

/** Rows and columns that the eye keeps apart, at most. */
const MOST_ROWS = 96;
const MOST_COLUMNS = 240;
const ROW_HEIGHT = 3;
const LEAST_HEIGHT = 120;
const MOST_BITS = 8;

const shadeOf = (bits: number) => bits / MOST_BITS;

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

/** Parts of a list, as equal as whole numbers allow. */
function parts<T>(list: readonly T[], most: number): T[][] {
  const count = Math.min(most, list.length);
  const at = (i: number) => Math.floor((i * list.length) / count);
  return Array.from({ length: count }, (_, i) => list.slice(at(i), at(i + 1)));
}

/**
 * Whole bits [rows][columns] of one crossing: channels with most bits over all steps first, those
 * that are too many to be seen averaged with their neighbours; of steps, the last one of each part.
 */
export function bitsGrid(known: readonly BitsAt[], crossing: number): number[][] {
  const columns = parts(known, MOST_COLUMNS).map((part) => part.at(-1)!.bits[crossing]);
  const means = columns[0].map((_, channel) => mean(columns.map((bits) => bits[channel])));
  const order = [...means.keys()].sort((a, b) => means[b] - means[a] || a - b);
  return parts(order, MOST_ROWS).map((channels) =>
    columns.map((bits) => Math.round(mean(channels.map((channel) => bits[channel])))),
  );
}

/** The squares of each number of bits as one path, neighbours that are alike as one rectangle. */
function pathsOf(grid: readonly (readonly number[])[], height: number): string {
  const paths = Array.from({ length: MOST_BITS + 1 }, () => '');
  for (const [row, line] of grid.entries())
    for (let i = 0, run = 1; i < line.length; i += run) {
      for (run = 1; i + run < line.length && line[i + run] === line[i];) run++;
      paths[line[i]] += `M${i} ${row * height}h${run}v${height}h-${run}z`;
    }
  return paths
    .map((d, bits) => (d === '' ? '' : `<path d="${d}" fill-opacity="${shadeOf(bits)}"/>`))
    .join('');
}

const swatch = (bits: number) =>
  `<span class="key"><svg viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" ` +
  `fill="${PALETTE[1]}" fill-opacity="${shadeOf(bits)}"/></svg>${bits}</span>`;

/** Keys in a line that breaks where it must; steps below the ends of the picture. */
const STYLE =
  '<style>.keys{display:flex;flex-wrap:wrap;gap:4px 12px;font-size:.85rem}' +
  '.key{display:inline-flex;align-items:center;gap:4px}' +
  '.key svg{width:14px;height:14px;background:var(--plate)}' +
  '.ends{display:flex;justify-content:space-between;font-size:.85rem;color:var(--dim)}</style>';

/** The picture of one crossing, its key, and what it shows in words. */
export function heatMap(known: readonly BitsAt[], crossing: number, lanes: string): string {
  const grid = bitsGrid(known, crossing);
  const height = Math.max(ROW_HEIGHT, Math.ceil(LEAST_HEIGHT / grid.length));
  const [first, last] = [known[0], known[known.length - 1]];
  const [before, after] = [first, last].map(({ bits }) => mean(bits[crossing]).toFixed(2));
  const about =
    `bits of ${first.bits[crossing].length} ${lanes} over steps ${first.step} to ${last.step}: ` +
    `${before} on average, then ${after}`;
  const content = `<g fill="${PALETTE[1]}">${pathsOf(grid, height)}</g>`;
  const found = [...new Set(grid.flat())].sort((a, b) => a - b);
  return (
    `${STYLE}<figure>${plate(grid[0].length, grid.length * height, about, content)}` +
    `<div class="ends"><span>step ${first.step}</span><span>step ${last.step}</span></div>` +
    `<div class="keys"><span>bits:</span>${found.map(swatch).join('')}</div>` +
    `<figcaption>${escapeHtml(`${lanes} with most bits above; ${about}`)}.</figcaption></figure>`
  );
}
