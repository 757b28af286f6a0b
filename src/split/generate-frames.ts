// Hidden states of a conversation as frames: of blocks of a prompt, and of the few tokens at a time
// that a reply grows by.
import { CodecEnd } from './codec/codec.ts';
import type { CodecOptions } from './codec/options.ts';

/** Codecs that know no samples and learn nothing; learned bits are given. */
export const generateCodecs = ['none', 'tensor', 'group', 'channel'] as const;

export interface FrameOptions {
  readonly codec: (typeof generateCodecs)[number];
  /** Bits of every channel, until others are told. */
  readonly bits: number;
}

/**
 * So few tokens are rounded by groups of channels where others have a range a channel: ranges of
 * their own would weigh more than they do, and of one token be the token, in f16.
 */
const FEW_TOKENS = 16;

export class ConversationFrames {
  readonly #many: CodecEnd;
  readonly #few: CodecEnd;

  /** Throws OptionError. */
  constructor(options: FrameOptions, width: number, block: number) {
    const shape = { width, mostTokens: block };
    const few: CodecOptions =
      options.codec === 'channel' ? { ...options, codec: 'group' } : { ...options };
    this.#many = new CodecEnd(options, shape);
    this.#few = new CodecEnd(few, shape);
  }

  #endOf(tokens: number): CodecEnd {
    return tokens < FEW_TOKENS ? this.#few : this.#many;
  }

  /** Bits of each channel from here on; frames tell the other end. Throws OptionError. */
  setBits(bits: Uint8Array): void {
    this.#many.setBits(bits);
    this.#few.setBits(bits);
  }

  /** The frame of x f32 [tokens, D] behind `at` tokens. Throws OptionError for NaN and infinity. */
  encode(x: Float32Array, tokens: number, at: number): Uint8Array {
    return this.#endOf(tokens).encode(x, nameOf(tokens, at));
  }

  /** What such a frame says. Throws ProtocolError for any other. */
  decode(frame: Uint8Array, tokens: number, at: number): Float32Array {
    return this.#endOf(tokens).decode(frame, nameOf(tokens, at));
  }
}

const nameOf = (count: number, at: number) =>
  ({ kind: 'activations', step: at, microBatch: 0, samples: [{ id: 0, count }] }) as const;
