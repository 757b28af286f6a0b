// How wide a text will be, for those who lay it out before anybody has drawn it: an upper bound,
// from a wide bold face, so that what is laid out fits whatever font a page finds.

/**
 * Widths in thousandths of the font's size; what is not listed takes DEFAULT, beyond Latin WIDE.
 */
const WIDTHS: Readonly<Record<string, number>> = widthsOf({
  350: " ijl|'/\\",
  385: '.,:;I!',
  440: 'f-',
  500: 'rt()[]`',
  610: 'csz?JL_"',
  660: 'vxykFET*',
  850: '+<>=~CDGHNOQU&',
  930: 'w',
  1010: '%M@#',
  1050: 'm',
  1110: 'W',
});
const DEFAULT = 730;
const WIDE = 1350;
const LATIN_END = 0x250;

function widthsOf(rows: Readonly<Record<number, string>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(rows).flatMap(([width, letters]) => [...letters].map((c) => [c, Number(width)])),
  );
}

/** Pixels that a line takes at most, at a font size in pixels. */
export function textWidth(text: string, size: number): number {
  let sum = 0;
  for (const c of text) sum += WIDTHS[c] ?? (c.codePointAt(0)! < LATIN_END ? DEFAULT : WIDE);
  return (sum * size) / 1000;
}

/**
 * Lines of at most `width` pixels, cut between words, within one only where it is longer than a
 * line.
 */
export function wrapText(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (textWidth(longer, size) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = '';
    for (const c of word) {
      if (line !== '' && textWidth(line + c, size) > width) {
        lines.push(line);
        line = '';
      }
      line += c;
    }
  }
  return [...lines, line];
}
