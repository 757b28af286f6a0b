// Encoding of texts that hold special tokens: the text between them goes to the encoder, and places
// are found at which encoding can stop and go on later.
import { OptionError } from '../../errors.ts';
import type { Encoder } from './bpe.ts';
import type { Specials } from './specials.ts';
import { wellFormed } from './unicode.ts';

/** What Tokenizer promises of these. */
export interface Encoding {
  encode(text: string): number[];
  boundary(text: string, at: number): number;
  encodeFrom(text: string, from: number): number[];
}

/** `makeEncoder` makes what encoding needs, when it is first needed. */
export function createEncoding(makeEncoder: () => Encoder, specials: Specials): Encoding {
  let made: Encoder | undefined;
  const encoderOf = () => (made ??= makeEncoder());
  /** The tokens of a well-formed text. `opens`: nothing or a special token stands before it. */
  const encodeText = (text: string, opens: boolean): number[] => {
    const encoder = encoderOf();
    const out: number[] = [];
    let from = 0;
    for (const { id, begin, end } of specials.find(text, 0, text.length)) {
      encoder.encode(text.slice(from, begin), opens, out);
      out.push(id);
      from = end;
      opens = true;
    }
    encoder.encode(text.slice(from), opens, out);
    return out;
  };
  return {
    encode: (text) => encodeText(wellFormed(checkText(text)), true),
    boundary(text, at) {
      checkPlace(text, 'at', at);
      const encoder = encoderOf();
      for (let place = at; place > 0; place--) {
        if (specials.mayCross(text, place, at)) continue;
        // a special token may yet take it away
        if (specials.strips && isWhite(text.charCodeAt(place - 1))) continue;
        // behind a special token a text begins anew
        if (encoder.cutsAt(text, place, at) || specials.endingAt(text, place)) return place;
      }
      return 0;
    },
    encodeFrom(text, from) {
      checkPlace(text, 'from', from);
      const before = specials.endingAt(text, from);
      let rest = text.slice(from);
      if (before && specials.stripsRight(before.id)) rest = rest.replace(/^[ \t-\r]+/, '');
      return encodeText(wellFormed(rest), from === 0 || before !== undefined);
    },
  };
}

const isWhite = (unit: number) => unit === 0x20 || (unit >= 9 && unit <= 13);

function checkText(text: unknown): string {
  if (typeof text !== 'string')
    throw new OptionError(
      `text to encode is ${text === null ? 'null' : `of type ${typeof text}`}, expected a string`,
    );
  return text;
}

function checkPlace(text: string, name: string, at: number): void {
  checkText(text);
  if (!(Number.isInteger(at) && at >= 0 && at <= text.length)) {
    throw new OptionError(`'${name}' is ${at}, expected a place in a text of ${text.length} units`);
  }
}
