// The page that reports share: one HTML file that needs nothing else.
import { escapeHtml } from './chart.ts';

/** Colours that keep apart for most kinds of sight (after Okabe and Ito), legible on light and dark. */
export const PALETTE = ['#7a7f87', '#0072b2', '#d55e00', '#009e73', '#b8860b', '#56a3d9', '#c2559b', '#8c6d3f', '#5b5bd6', '#d14545', '#3f9f9f'];

export const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** A table of texts, the first column left, the others right. */
export function htmlTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const body = rows.map(([first, ...cells]) => `<tr><th scope="row">${escapeHtml(first)}</th>${cells.map((c) => `<td>${escapeHtml(c)}</td>`).join('')}</tr>`);
  return `<div class="scroll"><table><thead><tr>${heads.map((h) => `<th scope="col">${escapeHtml(h)}</th>`).join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title>
<style>
:root { color-scheme: light dark; --ink: #1d2126; --dim: #5d6670; --line: #dfe3e8; --plate: #f4f6f8; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #9aa4af; --line: #2e353d; --plate: #1c2127; --page: #13171b; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 860px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; } h2 { font-size: 1.15rem; margin: 40px 0 6px; } h3 { font-size: 1rem; margin: 24px 0 4px; } p { margin: 6px 0 12px; } .dim { color: var(--dim); font-size: .92rem; }
svg { width: 100%; height: auto; display: block; } .grid { stroke: var(--line); } .tick, .axis { fill: var(--dim); font-size: 12px; } .name { font-size: 12.5px; font-weight: 600; } .plate { fill: var(--plate); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .93rem; } th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; } thead th { color: var(--dim); font-weight: 600; } code { background: var(--plate); padding: 1px 5px; border-radius: 4px; }
</style></head><body>
<h1>${escapeHtml(title)}</h1>
${body}
</body></html>
`;
}
