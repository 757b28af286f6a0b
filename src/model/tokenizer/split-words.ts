// Cuts a text into the words of a pre-tokenizer. Its patterns run one after the other, each on the
// pieces that the ones before it made; what a pattern does not match is a piece, too.
import { unitsOf, type Units } from './pattern-units.ts';
import type { Pass, PreTokenizer } from './pre-tokenizer.ts';

/** Calls `word` with begin and end of each word of a well-formed text. */
export function splitWords(
  text: string,
  { passes }: PreTokenizer,
  word: (begin: number, end: number) => void,
): void {
  const units = unitsOf(
    text,
    passes.some((pass) => pass.named),
  );
  const { begins } = units;
  runPasses(units, passes, begins ? (begin, end) => word(begins[begin], begins[end]) : word);
}

function runPasses(
  { classes, named }: Units,
  passes: readonly Pass[],
  word: (begin: number, end: number) => void,
): void {
  if (passes.length === 1) {
    runPass(classes, 0, passes[0], word);
    return;
  }
  let pieces = [0, classes.length];
  for (const [index, pass] of passes.entries()) {
    const source = pass.named ? named : classes;
    const next: number[] = [];
    const take =
      index === passes.length - 1
        ? word
        : (begin: number, end: number) => void next.push(begin, end);
    for (let i = 0; i < pieces.length; i += 2)
      runPass(source.slice(pieces[i], pieces[i + 1]), pieces[i], pass, take);
    pieces = next;
  }
}

function runPass(
  piece: string,
  offset: number,
  { pattern, complete }: Pass,
  take: (begin: number, end: number) => void,
): void {
  let done = 0;
  pattern.lastIndex = 0;
  if (complete) {
    while (done < piece.length && pattern.test(piece)) {
      take(offset + done, offset + pattern.lastIndex);
      done = pattern.lastIndex;
    }
  } else {
    for (let match = pattern.exec(piece); match; match = pattern.exec(piece)) {
      if (match.index > done) take(offset + done, offset + match.index);
      done = match.index + match[0].length;
      take(offset + match.index, offset + done);
    }
  }
  if (done < piece.length) take(offset + done, offset + piece.length);
}
