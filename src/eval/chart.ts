// Plots as SVG text, without a library: a page that needs nothing from anywhere. Everything that is
// written has its place measured before: no text leaves its plot or touches another.
import { textWidth, wrapText } from './letters.ts';

export interface Series {
  readonly name: string;
  readonly color: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** As in SVG's stroke-dasharray; none: a line without gaps. */
  readonly dash?: string;
}

export interface Axis {
  readonly label: string;
  readonly ticks: readonly (readonly [value: number, text: string])[];
  readonly scale?: 'linear' | 'log';
  /** A value as text, where it is read out. */
  readonly format?: (value: number) => string;
}

export interface LineChartOptions {
  readonly markers?: boolean;
  /** Pixels it is made for. Default WIDE. */
  readonly width?: number;
}

/**
 * A plot is drawn for a desk and for a phone: letters keep their size, what is around them moves.
 */
const WIDE = 720;
const NARROW = 350;
const PLOT_HEIGHT = { wide: 272, narrow: 210 };
const TICK_SIZE = 12;
const NAME_SIZE = 12.5;
/** Lines of text keep this distance. */
const LINE = 16;
/** From the last line of the axis' name, which stands above, to the topmost tick. */
const ABOVE = 18;
const EDGE = 4;
/** Between a line's end and its name, for a rule that leads from one to the other. */
const LEADER = 20;
/** Texts side by side keep this distance. */
const APART = 8;
/** Names may take this share of the width beside a plot; longer ones stand below it. */
const MOST_NAMES = 0.32;
const SWATCH = 20;

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const round = (x: number) => String(Math.round(x * 10) / 10);

/** Lines over two axes. The ticks' ends are the axes' ends. Names at the lines' ends, or below. */
export function lineChart(
  title: string,
  x: Axis,
  y: Axis,
  series: readonly Series[],
  { markers, width = WIDE }: LineChartOptions = {},
): string {
  const drawn = series.filter((s) => s.points.length > 0);
  const wide = width >= WIDE;
  const heading = wrapText(y.label, width - 2 * EDGE, TICK_SIZE);
  const top = heading.length * LINE - EDGE + ABOVE;
  const bottom = top + (wide ? PLOT_HEIGHT.wide : PLOT_HEIGHT.narrow);
  const longest = Math.max(0, ...drawn.map((s) => textWidth(s.name, NAME_SIZE)));
  const beside =
    longest <= width * MOST_NAMES && drawn.length * LINE <= bottom - top + LINE && wide;
  const tickWidth = (text: string) => textWidth(text, TICK_SIZE);
  const left = EDGE + APART + Math.max(0, ...y.ticks.map(([, text]) => tickWidth(text)));
  const right = width - EDGE - (beside ? LEADER + longest : APART);
  const px = place(x, left, right);
  const py = place(y, bottom, top);
  const parts = heading.map((line, i) => text('axis', EDGE, (i + 1) * LINE - EDGE, line));
  for (const [value, name] of y.ticks) {
    const at = round(py(value));
    parts.push(
      `<line class="grid" x1="${round(left)}" x2="${round(right)}" y1="${at}" y2="${at}"/>`,
    );
    parts.push(text('tick', left - APART, py(value) + 4, name, 'end'));
  }
  for (const { at, name } of apart(
    x.ticks.map(([value, name]) => ({ at: px(value), name })),
    width,
  ))
    parts.push(text('tick', at, bottom + 18, name, 'middle'));
  let end = bottom + 18 + LINE + 4;
  for (const line of wrapText(x.label, width - 2 * EDGE, TICK_SIZE)) {
    const half = tickWidth(line) / 2;
    parts.push(text('axis', within((left + right) / 2, half, width), end, line, 'middle'));
    end += LINE;
  }
  for (const s of drawn) parts.push(...curve(s, x, y, px, py, markers === true));
  if (beside) parts.push(...namesBeside(drawn, right, bottom, px, py));
  else {
    const legend = namesBelow(drawn, width, end + 6);
    parts.push(...legend.parts);
    end = legend.end;
  }
  return svg(title, describe(x, y, drawn), width, end - LINE + 10, parts);
}

/** The plot for a desk, and for a phone: the page shows one of them. */
export function figure(draw: (width: number) => string): string {
  return (
    `<figure><div class="wide">${draw(WIDE)}</div><div ` +
    `class="narrow">${draw(NARROW)}</div></figure>`
  );
}

function place(axis: Axis, from: number, to: number): (value: number) => number {
  const scale = axis.scale === 'log' ? Math.log : (v: number) => v;
  const low = scale(axis.ticks[0][0]);
  const high = scale(axis.ticks[axis.ticks.length - 1][0]);
  return (value) => from + ((scale(value) - low) / (high - low || 1)) * (to - from);
}

/** A centre so that a text of half this width stays within the plot. */
const within = (at: number, half: number, width: number) =>
  Math.max(EDGE + half, Math.min(width - EDGE - half, at));

/** Names that do not touch: the two ends first, then those between that find room. */
function apart<T extends { at: number; name: string }>(ticks: readonly T[], width: number): T[] {
  const placed = ticks.map((t) => {
    const half = textWidth(t.name, TICK_SIZE) / 2;
    return { ...t, at: within(t.at, half, width), half };
  });
  const ends = placed.filter((_, i) => i === 0 || i === placed.length - 1);
  const shown: typeof placed = [];
  for (const t of [...ends, ...placed.slice(1, -1)])
    if (shown.every((s) => Math.abs(s.at - t.at) >= s.half + t.half + APART)) shown.push(t);
  return shown;
}

function curve(
  { points, color, dash, name }: Series,
  x: Axis,
  y: Axis,
  px: (v: number) => number,
  py: (v: number) => number,
  markers: boolean,
): string[] {
  const d = points.map(([vx, vy], i) => `${i === 0 ? 'M' : 'L'}${round(px(vx))} ${round(py(vy))}`);
  const gaps = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
  const parts = [
    `<path d="${d.join('')}" fill="none" stroke="${color}" stroke-width="2"${gaps} ` +
      `stroke-linejoin="round"><title>${escapeHtml(name)}</title></path>`,
  ];
  if (markers)
    for (const [vx, vy] of points)
      parts.push(
        `<circle cx="${round(px(vx))}" cy="${round(py(vy))}" r="3.5" ` +
          `fill="${color}"><title>${escapeHtml(`${name}, ${said(x, vx)}: ${said(y, vy)}`)}</title></circle>`,
      );
  return parts;
}

/** Names at their line's end, pushed down where they would touch, and up again from the bottom. */
function namesBeside(
  series: readonly Series[],
  right: number,
  bottom: number,
  px: (v: number) => number,
  py: (v: number) => number,
): string[] {
  const ends = series
    .map((s) => ({ s, last: s.points[s.points.length - 1] }))
    .sort((a, b) => py(a.last[1]) - py(b.last[1]));
  const at = ends.map(({ last }) => py(last[1]));
  for (let i = 1; i < at.length; i++) at[i] = Math.max(at[i], at[i - 1] + LINE);
  for (let i = at.length - 1; i >= 0; i--)
    at[i] = Math.min(at[i], bottom - (at.length - 1 - i) * LINE);
  return ends.flatMap(({ s, last }, i) => [
    `<path d="M${round(px(last[0]) + 4)} ${round(py(last[1]))}L${round(right + LEADER - 8)} ` +
      `${round(at[i])}h4" fill="none" stroke="${s.color}"/>`,
    text('name', right + LEADER, at[i] + 4, s.name),
  ]);
}

/** Names below, each behind a piece of its line, as many to a row as there is room for. */
function namesBelow(
  series: readonly Series[],
  width: number,
  top: number,
): { parts: string[]; end: number } {
  const parts: string[] = [];
  let at = EDGE;
  let row = top;
  for (const { name, color, dash } of series) {
    const lines = wrapText(name, width - 2 * EDGE - SWATCH - 6, NAME_SIZE);
    const own = SWATCH + 6 + Math.max(...lines.map((line) => textWidth(line, NAME_SIZE)));
    if (at > EDGE && at + own > width - EDGE) {
      at = EDGE;
      row += LINE + 3;
    }
    const gaps = dash === undefined ? '' : ` stroke-dasharray="${dash}"`;
    parts.push(
      `<path d="M${round(at)} ${round(row - 4)}h${SWATCH}" stroke="${color}" ` +
        `stroke-width="3"${gaps}/>`,
    );
    lines.forEach((line, i) => parts.push(text('name', at + SWATCH + 6, row + i * LINE, line)));
    row += (lines.length - 1) * LINE;
    at = lines.length > 1 ? width : at + own + 2 * APART;
  }
  return { parts, end: row + LINE };
}

function text(kind: string, x: number, y: number, content: string, anchor?: string): string {
  const where = anchor === undefined ? '' : ` text-anchor="${anchor}"`;
  return (
    `<text class="${kind}" x="${round(x)}" ` +
    `y="${round(y)}"${where}>${escapeHtml(content)}</text>`
  );
}

const said = (axis: Axis, value: number) =>
  axis.format?.(value) ?? String(Math.round(value * 1000) / 1000);

/** What the plot shows, for those who don't see it. */
function describe(x: Axis, y: Axis, series: readonly Series[]): string {
  const ends = series.map(({ name, points }) => {
    const [first, last] = [points[0], points[points.length - 1]];
    const to = points.length > 1 ? ` to ${said(y, last[1])} at ${said(x, last[0])}` : '';
    return `${name}: ${said(y, first[1])} at ${said(x, first[0])}${to}`;
  });
  return `${y.label} over ${x.label}. ${ends.join('; ')}.`;
}

function svg(title: string, about: string, width: number, height: number, parts: string[]): string {
  const id = `${title.replace(/\W+/g, '-')}-${width}`;
  return (
    `<svg viewBox="0 0 ${width} ${Math.ceil(height)}" role="img" aria-labelledby="${id} ` +
    `${id}-about"><title id="${id}">${escapeHtml(title)}</title><desc ` +
    `id="${id}-about">${escapeHtml(about)}</desc>${parts.join('')}</svg>`
  );
}

export interface Strip {
  readonly name: string;
  readonly color: string;
  /** Share of rows kept, 0 to 1: [lines][bins along the conversation]. */
  readonly lines: readonly (readonly number[])[];
}

const LINE_HEIGHT = 5;
/** Shades that the eye keeps apart. */
const SHADES = 5;

/**
 * For each strip, a line a layer and head: where along the conversation rows were kept, darker for
 * more. Names are the page's, beside the strips or above them.
 */
export function stripChart(strips: readonly Strip[], caption: string): string {
  const rows = strips.map(({ name, color, lines }) => {
    const bins = Math.max(1, ...lines.map((line) => line.length));
    // a path a shade, in which neighbours that look alike share a rectangle
    const paths = Array.from({ length: SHADES + 1 }, () => '');
    lines.forEach((line, row) => {
      for (let i = 0; i < line.length;) {
        const shade = Math.ceil(line[i] * SHADES);
        let run = 1;
        while (i + run < line.length && Math.ceil(line[i + run] * SHADES) === shade) run++;
        paths[shade] += `M${i} ${row * LINE_HEIGHT}h${run}v${LINE_HEIGHT - 1}h-${run}z`;
        i += run;
      }
    });
    const drawn = paths.map((d, shade) =>
      shade > 0 && d !== '' ? `<path d="${d}" fill-opacity="${shade / SHADES}"/>` : '',
    );
    const height = lines.length * LINE_HEIGHT;
    return `<div class="strip"><span>${escapeHtml(name)}</span>${plate(bins, height, `where ${name} kept rows`, `<g fill="${color}">${drawn.join('')}</g>`)}</div>`;
  });
  return `<figure>${rows.join('')}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** A drawing without text that is as wide as there is room, and so high. */
export function plate(units: number, height: number, about: string, content: string): string {
  return (
    `<svg class="plate" viewBox="0 0 ${units} ${height}" preserveAspectRatio="none" ` +
    `style="height:${height}px" role="img" aria-label="${escapeHtml(about)}">${content}</svg>`
  );
}

/**
 * Styles that a plot needs outside the report, on a plate of its own so that it reads on any page.
 */
const FIGURE_STYLE =
  '<style>text{font-family:system-ui,sans-serif}.grid{stroke:#dfe3e8}.tick,.axis{fill:#5d6670;font-size:12px}.name{fill:#1d2126;font-size:12.5px;font-weight:600}</style><rect width="100%" height="100%" fill="#ffffff"/>';

/** A plot as a file of its own. */
export function standalone(plot: string): string {
  const named = plot.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ');
  return `${named.replace('</desc>', `</desc>${FIGURE_STYLE}`)}\n`;
}
