// Cuts of pre-tokenizers that as patterns would take time that grows with the square of a run of
// digits or white space.
import type { Take } from './pre-tokenizer.ts';

/**
 * Runs of digits in threes counted from their end. `side`: whether a cut is made before or behind
 * each three; the digits that are left over in front stay with what stands before them, or are cut
 * from the threes alone.
 */
export function inThrees(run: RegExp, side: 'before' | 'behind') {
  const behind = side === 'behind';
  return (piece: string, take: Take): void => {
    let done = 0;
    const cutAt = (at: number) => {
      if (at > done) take(done, at);
      done = at;
    };
    for (const { index, 0: digits } of piece.matchAll(run)) {
      const end = index + digits.length;
      let at = index + (digits.length % 3);
      if (behind && at === index) at += 3;
      for (; at < end + (behind ? 1 : 0); at += 3) cutAt(at);
    }
    cutAt(piece.length);
  };
}

const WHITE = /\s+/y;
const isLineEnd = (c: number) => c === 0x0a || c === 0x0d;
const POWERS = [512, 256, 128, 64, 32, 16, 8, 4, 2];

/**
 * White space in a line in runs of powers of two, the largest first; the last character of a run
 * stays for what follows. `words`: a sticky pattern for everything that is not white, with what it
 * takes along.
 */
export function whiteInPowers(words: RegExp) {
  return (piece: string, take: Take): void => {
    for (let at = 0; at < piece.length;) {
      words.lastIndex = at;
      if (words.test(piece)) {
        take(at, words.lastIndex);
        at = words.lastIndex;
        continue;
      }
      WHITE.lastIndex = at;
      WHITE.test(piece);
      const end = WHITE.lastIndex;
      let line = end;
      while (line > at && !isLineEnd(piece.charCodeAt(line - 1))) line--;
      if (line > at) {
        take(at, line);
        at = line;
        continue;
      }
      do {
        const most = end === piece.length ? end - at : end - at - 1;
        const size = POWERS.find((power) => power <= most) ?? 1;
        take(at, at + size);
        at += size;
      } while (end - at > 1);
    }
  };
}
