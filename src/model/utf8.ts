// UTF-8 by hand: most tokens are a few letters, and calling a decoder takes longer than they do.

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Texts up to here are put together from characters while they are ASCII: most tokens are, and a
 * decoder costs more.
 */
const SHORT_TEXT = 12;

/** Bytes [begin, end) as a text; what is invalid becomes U+FFFD. */
export function textOf(bytes: Uint8Array, begin: number, end: number): string {
  if (end - begin <= SHORT_TEXT) {
    let text = '';
    let i = begin;
    for (; i < end && bytes[i] < 128; i++) text += String.fromCharCode(bytes[i]);
    if (i === end) return text;
  }
  return decoder.decode(bytes.subarray(begin, end));
}

/** The character that begins at a byte of well-formed UTF-8. */
export function characterAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return first;
  const second = bytes[at + 1] & 0x3f;
  if (first < 0xe0) return ((first & 0x1f) << 6) | second;
  const third = bytes[at + 2] & 0x3f;
  if (first < 0xf0) return ((first & 0xf) << 12) | (second << 6) | third;
  return ((first & 7) << 18) | (second << 12) | (third << 6) | (bytes[at + 3] & 0x3f);
}

/** Bytes of a character. */
export const sizeOf = (character: number): number =>
  character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

/** Bytes that a first byte says; 0 for what is none. */
const sizeBy = (first: number): number => {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
};

/** Whether bytes [begin, end) are UTF-8: no surrogates, nothing longer than it must be. */
export function isWellFormed(bytes: Uint8Array, begin: number, end: number): boolean {
  for (let at = begin; at < end;) {
    if (bytes[at] < 0x80) {
      at++;
      continue;
    }
    const size = sizeBy(bytes[at]);
    if (size === 0 || at + size > end) return false;
    for (let i = 1; i < size; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return false;
    const character = characterAt(bytes, at);
    if (sizeOf(character) !== size || character > 0x10ffff) return false;
    if (character >= 0xd800 && character < 0xe000) return false;
    at += size;
  }
  return true;
}
