// What a cut's codec can be told, and what is known of a frame by both ends before it is sent.
import { OptionError } from '../../errors.ts';
import { type CodecName, codecNames, type CodecRow, codecs } from './codecs.ts';
import { Gates, type GateOptions } from './gates.ts';
import type { FrameKind } from './frame.ts';
import type { Sample } from './samples.ts';

export interface CodecOptions {
  readonly codec: CodecName;
  /** Bits a number, where they are not learned. Default 4. */
  readonly bits?: number;
  /** Where they are learned: both ends are told, the client learns. */
  readonly gates?: GateOptions;
  /** Channels of a group. Default 32. */
  readonly group?: number;
  /** Bits and ranges are tokens', by their position, instead of channels'. Default false. */
  readonly byToken?: boolean;
  /** A token that moved by more than this share of its length is sent again. Default 0.1. */
  readonly threshold?: number;
  /** The same of gradients. Default: all are sent. */
  readonly gradientThreshold?: number;
  /** Most bytes of samples' states, each way and kind that has any. Default 256 MiB. */
  readonly stateBytes?: number;
}

/** D of the cut, and the most tokens of a micro-batch. */
export interface CodecShape {
  readonly width: number;
  readonly mostTokens: number;
}

/** Which frame it is. */
export interface FrameName {
  readonly kind: FrameKind;
  readonly step: number;
  readonly microBatch: number;
  /** What its tokens are, in order. */
  readonly samples: readonly Sample[];
}

const DEFAULTS = {
  bits: 4,
  group: 32,
  byToken: false,
  threshold: 0.1,
  gradientThreshold: 0,
  stateBytes: 2 ** 28,
};

/** Bits that gates begin with, on both ends. */
const FIRST_BITS = 8;

export interface CodecSetup extends Required<Omit<CodecOptions, 'gates'>> {
  readonly row: CodecRow;
  /** Numbers that have bits of their own: channels, or positions. */
  readonly lanes: number;
}

/** Options with defaults, checked. Throws OptionError. */
export function codecSetup(options: CodecOptions, { width, mostTokens }: CodecShape): CodecSetup {
  const { gates, ...given } = options;
  const how = { ...DEFAULTS, ...given };
  if (!codecNames.includes(how.codec))
    throw new OptionError(`codec is '${how.codec}', expected ${codecNames.join(' or ')}`);
  const row: CodecRow = codecs[how.codec];
  const bits = row.gates ? (gates?.most ?? FIRST_BITS) : how.bits;
  if (!Number.isInteger(bits) || bits < 1 || bits > 8)
    throw new OptionError(`bits is ${bits}, expected a whole number from 1 to 8`);
  if (!Number.isInteger(how.group) || how.group < 1)
    throw new OptionError(`group is ${how.group}, expected a whole number from 1`);
  for (const name of ['threshold', 'gradientThreshold', 'stateBytes'] as const)
    if (!(how[name] >= 0)) throw new OptionError(`${name} is ${how[name]}, expected 0 or more`);
  if (how.byToken && row.ranges !== 'channel')
    throw new OptionError(`codec ${how.codec} has no bits of tokens: leave byToken out`);
  const groups = { none: 0, channel: 1, tensor: width, group: Math.min(how.group, width) };
  const lanes = how.byToken ? mostTokens : width;
  return { ...how, bits, row, lanes, group: groups[row.ranges] };
}

/** Bytes that a gate takes: Q, its gradient and moments, its bits. */
const GATE_BYTES = 40;

/** Most bytes that an end and its gates come to hold. Throws OptionError. */
export function codecBytes(options: CodecOptions, shape: CodecShape): number {
  const { row, lanes, gradientThreshold, stateBytes } = codecSetup(options, shape);
  const kinds = (row.last ? 1 : 0) + (row.last === 'moved' && gradientThreshold > 0 ? 1 : 0);
  return kinds * stateBytes + lanes * GATE_BYTES;
}

/** The gates of a codec whose bits are learned; undefined for the others. */
export function createGates(options: CodecOptions, shape: CodecShape): Gates | undefined {
  const { row, lanes } = codecSetup(options, shape);
  return row.gates ? new Gates(lanes, options.gates) : undefined;
}
