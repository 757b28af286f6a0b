// Cuts a text into the words of a pre-tokenizer. Its passes run one after the other, each on the
// pieces that the ones before it made; what a pattern does not match is a piece, too.
import { unitsOf, type Units } from './pattern-units.ts';
import type { Pass, PreTokenizer, Take } from './pre-tokenizer.ts';

/** Calls `word` with begin and end of each word of a well-formed text. */
export function splitWords(text: string, { passes }: PreTokenizer, word: Take): void {
  const units = unitsOf(text);
  const { begins } = units;
  runPasses(units, passes, begins ? (begin, end) => word(begins[begin], begins[end]) : word);
}

function runPasses(units: Units, passes: readonly Pass[], word: Take): void {
  let pieces = [0, units.length];
  for (const [index, pass] of passes.entries()) {
    const source = units.of(pass.units ?? 'classes');
    const next: number[] = [];
    const take: Take = (begin, end) => void next.push(begin, end);
    for (let i = 0; i < pieces.length; i += 2) {
      const [begin, end] = [pieces[i], pieces[i + 1]];
      runPass(source.slice(begin, end), begin, pass, index === passes.length - 1 ? word : take);
    }
    pieces = next;
  }
}

function runPass(piece: string, offset: number, pass: Pass, take: Take): void {
  if ('cut' in pass) {
    pass.cut(piece, (begin, end) => take(offset + begin, offset + end));
    return;
  }
  const { pattern } = pass;
  let done = 0;
  pattern.lastIndex = 0;
  if (pass.complete) {
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
