// Tokens back to text, at once or one by one: both read the same bytes through the same decoder, so
// that they cannot differ.
import { joined } from '../../math/joined.ts';
import { OptionError } from '../../errors.ts';
import { unitBytes } from './bpe.ts';
import { SPACE_MARK } from './marked-text.ts';
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

export function createDecoder(vocabulary: Vocabulary, options: DecoderOptions): Decoder {
  const bytes = new TokenBytes(vocabulary, options.byteLevel);
  return {
    decode(tokens, special) {
      const reader = new TokenReader(bytes, options.prefix, special);
      let text = '';
      for (let from = 0; from < tokens.length; from += TOGETHER) {
        text += reader.push(tokens.slice(from, from + TOGETHER));
      }
      return text + reader.end();
    },
    stream() {
      const reader = new TokenReader(bytes, options.prefix, false);
      return { push: (token) => reader.push([token]), end: () => reader.end() };
    },
  };
}

/** The bytes that each token stands for. */
class TokenBytes {
  readonly #vocabulary: Vocabulary;
  readonly #byteLevel: boolean;
  readonly #utf8 = new TextEncoder();

  constructor(vocabulary: Vocabulary, byteLevel: boolean) {
    this.#vocabulary = vocabulary;
    this.#byteLevel = byteLevel;
  }

  /** Whether a text begins anew behind a token. */
  breaks(token: number): boolean {
    const type = this.#vocabulary.types[token];
    return isSpecial(type) || type === USER_DEFINED;
  }

  /** Throws OptionError for what is no token; special ones have bytes only where `special`. */
  of(token: number, special: boolean): Uint8Array {
    const { texts, types } = this.#vocabulary;
    if (!(Number.isInteger(token) && token >= 0 && token < texts.length)) {
      throw new OptionError(
        `token ${token}: expected a whole number below ${texts.length}, the size of the vocabulary`,
      );
    }
    const text = texts.at(token);
    const type = types[token];
    if (type === USER_DEFINED || (special && isSpecial(type))) return this.#utf8.encode(text);
    if (type === BYTE) {
      const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
      return byte === undefined ? this.#utf8.encode(text) : Uint8Array.of(parseInt(byte, 16));
    }
    // what is no text, and tokens that no text gives, are not shown
    if (type !== NORMAL && !(special && !isSpecial(type))) return NOTHING;
    return this.#byteLevel
      ? this.#bytesOf(text)
      : this.#utf8.encode(text.replaceAll(SPACE_MARK, ' '));
  }

  #bytesOf(text: string): Uint8Array {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      // no such token is made of bytes
      if (unit >= unitBytes.length || unitBytes[unit] < 0) return this.#utf8.encode(text);
      bytes[i] = unitBytes[unit];
    }
    return bytes;
  }
}

/** Reads tokens one after the other. */
class TokenReader {
  readonly #bytes: TokenBytes;
  readonly #prefix: boolean;
  readonly #special: boolean;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** Whether the next text has a space in front that was not said. */
  #opens: boolean;

  constructor(bytes: TokenBytes, prefix: boolean, special: boolean) {
    this.#bytes = bytes;
    this.#prefix = prefix;
    this.#special = special;
    this.#opens = prefix;
  }

  push(tokens: readonly number[]): string {
    let text = '';
    let parts: Uint8Array[] = [];
    for (const token of tokens) {
      const part = this.#bytes.of(token, this.#special);
      if (part.length === 0) continue;
      if (!this.#prefix || !this.#bytes.breaks(token)) {
        parts.push(part);
        continue;
      }
      // no space was put in front of it, one was behind it
      text += this.#said(parts) + this.#decoder.decode(part, { stream: true });
      parts = [];
      this.#opens = this.#special;
    }
    return parts.length === 0 ? text : text + this.#said(parts);
  }

  end(): string {
    return this.#say(this.#decoder.decode());
  }

  #said(parts: readonly Uint8Array[]): string {
    const all = parts.length === 1 ? parts[0] : joined(parts);
    return all.length === 0 ? '' : this.#say(this.#decoder.decode(all, { stream: true }));
  }

  #say(text: string): string {
    if (!this.#opens || text === '') return text;
    this.#opens = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  }
}

const isSpecial = (type: number) => type === CONTROL || type === UNKNOWN;

/** Tokens whose bytes are decoded at once. */
const TOGETHER = 256;
const NOTHING = new Uint8Array();
