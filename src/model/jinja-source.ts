// A template's text as @huggingface/jinja (0.5.11) reads it, so that it means what it does to
// Python's Jinja: that library knows no {%+ and +%}, refuses escapes that Python leaves as they
// are, and takes a line break inside a string for one behind a tag.

/** Where text is written that keeps the white space beside it. */
const NOTHING = "{{ '' }}";
const ENDS: Readonly<Record<string, string>> = { '{{': '}}', '{%': '%}' };

export function readSource(source: string): string {
  const text = source.replace(/\r\n?/g, '\n');
  const opening = /\{[{%#]/g;
  let out = '';
  let at = 0;
  for (;;) {
    opening.lastIndex = at;
    const next = opening.exec(text)?.index;
    if (next === undefined) return out + text.slice(at);
    out += text.slice(at, next);
    at = next;
    const open = text.slice(at, at + 2);
    const end = open === '{#' ? commentEnd(text, at) : tagEnd(text, at + 2, ENDS[open]);
    const tag = text.slice(at, end);
    out += open === '{#' ? tag : rewrite(tag, open);
    at = end;
  }
}

function commentEnd(text: string, from: number): number {
  const end = text.indexOf('#}', from + 2);
  return end < 0 ? text.length : end + 2;
}

/** Behind the end of a tag; strings and brackets inside may hold what looks like one. */
function tagEnd(text: string, from: number, end: string): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (c === "'" || c === '"') i = stringEnd(text, i) - 1;
    else if (depth === 0 && text.startsWith(end, i)) return i + 2;
    else if (c === '{') depth++;
    else if (c === '}' && depth > 0) depth--;
  }
  return text.length;
}

function stringEnd(text: string, from: number): number {
  const quote = text[from];
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === quote) return i + 1;
  }
  return text.length;
}

function rewrite(tag: string, open: string): string {
  const keepsLeft = tag.startsWith('{%+');
  const keepsRight = tag.endsWith('+%}');
  let inner = tag;
  if (keepsLeft) inner = `{%${inner.slice(3)}`;
  if (keepsRight) inner = `${inner.slice(0, -3)}%}`;
  let out = '';
  let at = 0;
  for (let i = open.length; i < inner.length; i++) {
    if (inner[i] !== "'" && inner[i] !== '"') continue;
    const end = stringEnd(inner, i);
    out += inner.slice(at, i) + inner.slice(i, end).replace(/\\[\s\S]|\n/g, asRead);
    at = end;
    i = end - 1;
  }
  return (keepsLeft ? NOTHING : '') + out + inner.slice(at) + (keepsRight ? NOTHING : '');
}

/** What the library reads, for an escape or a line break as Python reads it. */
function asRead(found: string): string {
  if (found === '\n') return '\\n';
  if (found === '\\\n') return '';
  if (found === '\\a') return '\\x07';
  return /[ntrbfvxu'"\\]/.test(found[1]) ? found : `\\${found}`;
}
