// The page that reports share: one HTML file that needs nothing else.
import { escapeHtml } from './chart.ts';

/**
 * Colours that keep apart for most kinds of sight (after Okabe and Ito), legible on light and dark.
 */
export const PALETTE = [
  '#7a7f87',
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#b8860b',
  '#56a3d9',
  '#c2559b',
  '#8c6d3f',
  '#5b5bd6',
  '#d14545',
  '#3f9f9f',
];

export const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** Gaps of lines that share a colour: the first round has none. */
const DASHES = [undefined, '7 3', '2 3', '10 3 2 3'];

/** What tells the i-th line from the others: a colour, and where they have run out, gaps too. */
export function lineStyle(i: number): { color: string; dash?: string } {
  const dash = DASHES[Math.floor(i / PALETTE.length) % DASHES.length];
  return { color: PALETTE[i % PALETTE.length], ...(dash !== undefined && { dash }) };
}

/** A table of texts, the first column left, the others right. It scrolls where it is too wide. */
export function htmlTable(
  name: string,
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cell = (c: string) => `<td>${escapeHtml(c)}</td>`;
  const body = rows.map(
    ([first, ...cells]) =>
      `<tr><th scope="row">${escapeHtml(first)}</th>${cells.map(cell).join('')}</tr>`,
  );
  const head = heads.map((h) => `<th scope="col">${escapeHtml(h)}</th>`).join('');
  return (
    `<div class="scroll" role="region" aria-label="${escapeHtml(name)}" ` +
    `tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
  );
}

/** Something to do, and the command that does it. */
export interface NextStep {
  readonly what: string;
  readonly command?: string;
}

/** What a reader can do now. */
export function nextSteps(steps: readonly NextStep[]): string {
  if (steps.length === 0) return '';
  const items = steps.map(({ what, command }) => {
    const line =
      command === undefined ? '' : `<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>`;
    return `<li>${escapeHtml(what)}${line}</li>`;
  });
  return `<h2>What to do next</h2>\n<ul class="next">${items.join('')}</ul>`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2126; --dim: #5d6670; --line: #dfe3e8; --plate: #f4f6f8; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #9aa4af; --line: #2e353d; --plate: #1c2127; --page: #13171b; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 860px; margin: 0 auto; padding: 32px 20px 64px; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 1.15rem; margin: 40px 0 6px; } h3 { font-size: 1rem; margin: 24px 0 4px; }
p { margin: 6px 0 12px; } .dim { color: var(--dim); font-size: .92rem; } figure { margin: 12px 0; } figcaption { color: var(--dim); font-size: .85rem; margin-top: 6px; }
svg { width: 100%; height: auto; display: block; } .narrow { display: none; }
.grid { stroke: var(--line); } .tick, .axis { fill: var(--dim); font-size: 12px; } .name { fill: var(--ink); font-size: 12.5px; font-weight: 600; }
.plate { background: var(--plate); }
.strip, .lost { display: grid; grid-template-columns: 10.5rem 1fr; gap: 0 12px; align-items: center; margin: 10px 0; } .strip span { font-size: .85rem; font-weight: 600; text-align: right; }
.lost { grid-template-columns: auto 1fr; } .lost div { color: var(--dim); font-size: 10px; line-height: 13px; text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .93rem; overflow-wrap: normal; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); } thead th { color: var(--dim); font-weight: 600; }
code { background: var(--plate); padding: 1px 5px; border-radius: 4px; } pre { background: var(--plate); padding: 8px 10px; border-radius: 6px; overflow-x: auto; margin: 4px 0 12px; } pre code { padding: 0; font-size: .88rem; overflow-wrap: normal; }
summary { cursor: pointer; font-weight: 600; padding: 6px 0; } .next { padding-left: 1.2rem; }
@media (max-width: 640px) {
  body { padding: 20px 16px 48px; } h1 { font-size: 1.35rem; } .wide { display: none; } .narrow { display: block; } table { font-size: .86rem; } th, td { padding: 6px; }
  pre { white-space: pre-wrap; } .strip { grid-template-columns: 1fr; } .strip span { text-align: left; }
}
`;

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title>
<style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
${body}
</body></html>
`;
}
