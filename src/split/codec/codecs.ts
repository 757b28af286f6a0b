// The codecs, a row each: what is rounded on which grid, and what a sample's last frame is used for
// (docs/split.md, 'Codecs'). Same bits, same frames: what differs is in the row.

export interface CodecRow {
  readonly summary: string;
  /** Channels that share a range: all, some, one; 'none': f32 is sent. */
  readonly ranges: 'none' | 'tensor' | 'group' | 'channel';
  /** Bits are learned, each channel its own. */
  readonly gates?: boolean;
  /**
   * 'change': what is rounded is the change since the sample was sent last; 'moved': only tokens
   * are sent that moved by more than a threshold.
   */
  readonly last?: 'change' | 'moved';
}

export const codecs = {
  none: { summary: 'f32, as it is', ranges: 'none' },
  tensor: { summary: 'fixed bits, one range', ranges: 'tensor' },
  group: { summary: 'fixed bits, a range a group of channels', ranges: 'group' },
  channel: { summary: 'fixed bits, a range a channel', ranges: 'channel' },
  /** AQ-SGD (arXiv 2206.01299): f32 the first time, then changes; gradients as they are. */
  'aq-sgd': { summary: 'fixed bits of changes per sample', ranges: 'channel', last: 'change' },
  /** SplitCom (arXiv 2602.10564). Differs: a token is sent or not, by its own change. */
  moved: { summary: 'fixed bits of tokens that moved', ranges: 'channel', last: 'moved' },
  /** AMAQ (arXiv 2510.05468). */
  amaq: { summary: 'learned bits a channel', ranges: 'channel', gates: true },
  'amaq-moved': {
    summary: 'learned bits a channel, of tokens that moved',
    ranges: 'channel',
    gates: true,
    last: 'moved',
  },
} as const satisfies Record<string, CodecRow>;

export type CodecName = keyof typeof codecs;
export const codecNames = Object.keys(codecs) as readonly CodecName[];
