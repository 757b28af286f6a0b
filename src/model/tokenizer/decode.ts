// Tokens back to text, at once or one by one: both read the same bytes through the same decoder, so
// that they cannot differ.
import { OptionError } from '../../errors.ts';
import { unitBytes } from './bpe.ts';
import { SPACE_MARK } from './spm.ts';
import { BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, type Vocabulary } from './vocabulary.ts';

export interface Decoder {
  decode(tokens: readonly number[], special: boolean): string;
  stream(): { push(token: number): string; end(): string };
}

export interface DecoderOptions {
  /** Characters of normal tokens stand for bytes. */
  readonly byteLevel: boolean;
  /** A space was put in front of a text and behind special tokens: it is taken away. */
  readonly prefix: boolean;
}

export function createDecoder(
  { texts, types }: Vocabulary,
  { byteLevel, prefix }: DecoderOptions,
): Decoder {
  const utf8 = new TextEncoder();
  const isSpecial = (type: number) => type === CONTROL || type === UNKNOWN;

  const piece = (token: number, special: boolean): Uint8Array => {
    if (!(Number.isInteger(token) && token >= 0 && token < texts.length)) {
      throw new OptionError(
        `token ${token}: expected a whole number below ${texts.length}, the size of the vocabulary`,
      );
    }
    const text = texts[token];
    const type = types[token];
    if (type === USER_DEFINED || (special && isSpecial(type))) return utf8.encode(text);
    if (type === BYTE) {
      const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
      return byte === undefined ? utf8.encode(text) : Uint8Array.of(parseInt(byte, 16));
    }
    // what is no text, and tokens that no text gives, are not shown
    if (type !== NORMAL && !(special && !isSpecial(type))) return NOTHING;
    return byteLevel ? bytesOf(text) : utf8.encode(text.replaceAll(SPACE_MARK, ' '));
  };
  const bytesOf = (text: string): Uint8Array => {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      // no such token is made of bytes
      if (unit >= unitBytes.length || unitBytes[unit] < 0) return utf8.encode(text);
      bytes[i] = unitBytes[unit];
    }
    return bytes;
  };

  /** Reads tokens one by one. `opens`: the next text has a space in front that was not said. */
  const reader = (special: boolean) => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let opens = prefix;
    const say = (text: string): string => {
      if (!opens || text === '') return text;
      opens = false;
      return text.startsWith(' ') ? text.slice(1) : text;
    };
    const said = (bytes: readonly Uint8Array[]): string => {
      const all = bytes.length === 1 ? bytes[0] : joined(bytes);
      return all.length === 0 ? '' : say(decoder.decode(all, { stream: true }));
    };
    return {
      pushAll(tokens: readonly number[]): string {
        let text = '';
        let bytes: Uint8Array[] = [];
        for (const token of tokens) {
          const part = piece(token, special);
          if (part.length === 0) continue;
          if (!prefix || !(isSpecial(types[token]) || types[token] === USER_DEFINED)) {
            bytes.push(part);
            continue;
          }
          // no space was put in front of it, one was behind it
          text += said(bytes) + decoder.decode(part, { stream: true });
          bytes = [];
          opens = special;
        }
        return bytes.length === 0 ? text : text + said(bytes);
      },
      end: () => say(decoder.decode()),
    };
  };

  return {
    decode(tokens, special) {
      const { pushAll, end } = reader(special);
      let text = '';
      for (let from = 0; from < tokens.length; from += TOGETHER) {
        text += pushAll(tokens.slice(from, from + TOGETHER));
      }
      return text + end();
    },
    stream() {
      const { pushAll, end } = reader(false);
      return { push: (token) => pushAll([token]), end };
    },
  };
}

/** Tokens whose bytes are decoded at once. */
const TOGETHER = 256;
const NOTHING = new Uint8Array();

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
