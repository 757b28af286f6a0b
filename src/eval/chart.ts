// Plots as SVG text, without a library: a page that needs nothing from anywhere.

export interface Series {
  readonly name: string;
  readonly color: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Axis {
  readonly label: string;
  readonly ticks: readonly (readonly [value: number, text: string])[];
  readonly scale?: 'linear' | 'log';
}

const WIDTH = 720;
const HEIGHT = 340;
const LEFT = 64;
const LEAST_RIGHT = 176;
/** About what a letter of a name takes. */
const LETTER = 7.4;
const TOP = 16;
const BOTTOM = 46;
/** Names at the right keep this distance. */
const LABEL_GAP = 15;

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Lines over two axes, each named at its end. The ticks' ends are the axes' ends. */
export function lineChart(title: string, x: Axis, y: Axis, series: readonly Series[], options: { markers?: boolean } = {}): string {
  const RIGHT = Math.max(LEAST_RIGHT, 24 + LETTER * Math.max(0, ...series.map((s) => s.name.length)));
  const place = (axis: Axis, from: number, to: number) => {
    const scale = axis.scale === 'log' ? Math.log : (v: number) => v;
    const low = scale(axis.ticks[0][0]);
    const high = scale(axis.ticks[axis.ticks.length - 1][0]);
    return (value: number) => from + ((scale(value) - low) / (high - low || 1)) * (to - from);
  };
  const px = place(x, LEFT, WIDTH - RIGHT);
  const py = place(y, HEIGHT - BOTTOM, TOP);
  const parts: string[] = [];
  for (const [value, text] of y.ticks) {
    const at = py(value).toFixed(1);
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="tick" x="${LEFT - 8}" y="${at}" dy="4" text-anchor="end">${escapeHtml(text)}</text>`,
    );
  }
  for (const [value, text] of x.ticks) {
    parts.push(`<text class="tick" x="${px(value).toFixed(1)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escapeHtml(text)}</text>`);
  }
  parts.push(`<text class="axis" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeHtml(x.label)}</text>`);
  parts.push(`<text class="axis" transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(y.label)}</text>`);
  const ends = series
    .filter((s) => s.points.length > 0)
    .map((s) => ({ s, at: py(s.points[s.points.length - 1][1]) }))
    .sort((a, b) => a.at - b.at);
  // names stand at their line's end, pushed down where they would touch, and up again from the bottom
  const labels = ends.map(({ at }) => at);
  for (let i = 1; i < labels.length; i++) labels[i] = Math.max(labels[i], labels[i - 1] + LABEL_GAP);
  for (let i = labels.length - 1; i >= 0; i--) labels[i] = Math.min(labels[i], HEIGHT - BOTTOM - (labels.length - 1 - i) * LABEL_GAP);
  for (const [i, { s, at }] of ends.entries()) {
    const d = s.points.map(([vx, vy], i) => `${i === 0 ? 'M' : 'L'}${px(vx).toFixed(1)} ${py(vy).toFixed(1)}`).join('');
    parts.push(`<path d="${d}" fill="none" stroke="${s.color}" stroke-width="2"${s.dashed ? ' stroke-dasharray="5 4"' : ''} stroke-linejoin="round"/>`);
    if (options.markers) for (const [vx, vy] of s.points) parts.push(`<circle cx="${px(vx).toFixed(1)}" cy="${py(vy).toFixed(1)}" r="3.5" fill="${s.color}"/>`);
    const label = labels[i];
    const end = px(s.points[s.points.length - 1][0]);
    parts.push(
      `<line x1="${(end + 5).toFixed(1)}" y1="${at.toFixed(1)}" x2="${WIDTH - RIGHT + 14}" y2="${label.toFixed(1)}" stroke="${s.color}" stroke-opacity="0.4"/>`,
    );
    parts.push(`<text class="name" x="${WIDTH - RIGHT + 18}" y="${label.toFixed(1)}" dy="4" fill="${s.color}">${escapeHtml(s.name)}</text>`);
  }
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${parts.join('')}</svg>`;
}

export interface Strip {
  readonly name: string;
  readonly color: string;
  /** Share of rows kept, 0 to 1: [lines][bins along the conversation]. */
  readonly lines: readonly (readonly number[])[];
}

const STRIP_NAME = 110;
const LINE_HEIGHT = 5;

/** For each strip, a line a layer and head: where along the conversation rows were kept, darker for more. */
export function stripChart(title: string, strips: readonly Strip[], xLabel: string): string {
  const parts: string[] = [];
  let top = 4;
  for (const strip of strips) {
    const height = strip.lines.length * LINE_HEIGHT;
    parts.push(
      `<text class="name" x="${STRIP_NAME - 10}" y="${top + height / 2}" dy="4" text-anchor="end" fill="${strip.color}">${escapeHtml(strip.name)}</text>`,
    );
    parts.push(`<rect class="plate" x="${STRIP_NAME}" y="${top}" width="${WIDTH - STRIP_NAME}" height="${height}"/>`);
    strip.lines.forEach((bins, line) => {
      const width = (WIDTH - STRIP_NAME) / bins.length;
      // neighbours that look alike share a rectangle, and five shades are enough
      for (let i = 0; i < bins.length;) {
        const shade = Math.ceil(bins[i] * 5);
        let run = 1;
        while (i + run < bins.length && Math.ceil(bins[i + run] * 5) === shade) run++;
        if (shade > 0)
          parts.push(
            `<rect x="${(STRIP_NAME + i * width).toFixed(1)}" y="${top + line * LINE_HEIGHT}" width="${(run * width).toFixed(1)}" height="${LINE_HEIGHT - 1}" fill="${strip.color}" fill-opacity="${shade / 5}"/>`,
          );
        i += run;
      }
    });
    top += height + 12;
  }
  parts.push(`<text class="axis" x="${(STRIP_NAME + WIDTH) / 2}" y="${top + 8}" text-anchor="middle">${escapeHtml(xLabel)}</text>`);
  return `<svg viewBox="0 0 ${WIDTH} ${top + 16}" role="img" aria-label="${escapeHtml(title)}">${parts.join('')}</svg>`;
}

/** Styles that a plot needs outside the report, on a plate of its own so that it reads on any page. */
const FIGURE_STYLE =
  '<style>text{font-family:system-ui,sans-serif}.grid{stroke:#dfe3e8}.tick,.axis{fill:#5d6670;font-size:12px}.name{font-size:12.5px;font-weight:600}.plate{fill:#f4f6f8}</style><rect width="100%" height="100%" fill="#ffffff"/>';

/** A plot as a file of its own. */
export function standalone(svg: string): string {
  return `${svg.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ').replace('>', `>${FIGURE_STYLE}`)}\n`;
}
