// How a split training rounds what it sends, as options; the greeting carries them as JSON, which
// the server holds against the same table.
import { OptionError } from '../errors.ts';
import * as kinds from '../options/kinds.ts';
import { complete, option, type OptionsOf, settle, type Settled } from '../options/table.ts';
import { codecNames, type CodecRow, codecs } from './codec/codecs.ts';
import type { CodecOptions } from './codec/options.ts';
import { sampleBytes } from './codec/samples.ts';

const BITS = kinds.whole(1, 8);
const SHARE = kinds.number(0, 1e6);

export const codecTable = {
  /** How hidden states and gradients are rounded (docs/split.md). Default 'none': f32. */
  codec: option(kinds.oneOf(codecNames), {
    default: 'none',
    flag: 'codec NAME',
    summary: 'how what is sent is rounded; none: f32',
  }),
  /** Bits a number: of each, or on average where they are learned. Default 4. */
  bits: option(kinds.number(1, 8), {
    default: 4,
    flag: 'bits B',
    summary: 'bits a number; on average where they are learned',
  }),
  /** Channels that share a range with codec 'group'. Default 32. */
  group: option(kinds.whole(1, 1 << 20), {
    default: 32,
    flag: 'group N',
    summary: 'channels that share a range with --codec group',
  }),
  /** Bits and ranges are tokens', by their position in a line, instead of channels'. */
  byToken: option(kinds.flag, {
    default: false,
    flag: 'by-token',
    summary: "bits and ranges are tokens', by position, instead of channels'",
  }),
  /** A token that moved by more than this share of its length is sent again. Default 0.1. */
  threshold: option(SHARE, {
    default: 0.1,
    flag: 'threshold X',
    summary: 'a token is sent again that moved by more than X of its length (codecs moved)',
  }),
  /** The same of gradients. Default 0: all are sent. */
  gradientThreshold: option(SHARE, {
    default: 0,
    flag: 'gradient-threshold X',
    summary: 'the same of gradients; 0: all are sent',
  }),
  /** Most bytes of what is kept of lines that were sent, each way. Default: what they take. */
  stateBytes: option(kinds.bytes('256MB'), {
    flag: 'state-bytes B',
    summary: 'most bytes of what is kept of lines that were sent, each way',
    otherwise: 'what the lines take, 256MB at most',
  }),
  /** Fewest bits of a channel, where they are learned. Default 2. */
  gateLeast: option(BITS, {
    default: 2,
    flag: 'gate-least B',
    summary: 'fewest bits of a channel, where they are learned',
  }),
  /** Most bits of a channel: those that gates begin with. Default 8. */
  gateMost: option(BITS, {
    default: 8,
    flag: 'gate-most B',
    summary: 'most bits of a channel: they begin with them',
  }),
  /** The rate at which bits are learned. Default 0.05. */
  gateRate: option(kinds.number(0, 100), {
    default: 0.05,
    flag: 'gate-rate X',
    summary: 'rate at which bits are learned',
  }),
  /** What the penalty on bits weighs beside the loss. Default 1. */
  gateWeight: option(kinds.number(0, 1e9), {
    default: 1,
    flag: 'gate-weight X',
    summary: 'what the penalty on bits weighs beside the loss',
  }),
  /** The penalty: 'squared', dear channels fall first; or 'linear'. Default 'squared'. */
  gatePenalty: option(kinds.oneOf(['squared', 'linear']), {
    default: 'squared',
    flag: 'gate-penalty NAME',
    summary: 'squared: dear channels fall first',
  }),
  /** Steps at the most bits before bits are learned. Default: a tenth of all, 10 at most. */
  gateWarmup: option(kinds.whole(0, 1e6), {
    flag: 'gate-warmup N',
    summary: 'steps at the most bits before bits are learned',
    otherwise: 'a tenth of all, 10 at most',
  }),
  /** Step at which bits freeze, at their average, at the latest. Default: half of the steps. */
  gateFreeze: option(kinds.whole(1, Number.MAX_SAFE_INTEGER), {
    flag: 'gate-freeze N',
    summary: 'step at which bits freeze at their average, at the latest',
    otherwise: 'half of the steps',
  }),
};

export interface SplitCodecOptions extends OptionsOf<typeof codecTable> {}
type Told = Settled<typeof codecTable>;

const WARMUP_SHARE = 10;
const MOST_WARMUP = 10;
const MOST_STATE_BYTES = 2 ** 28;

/** What options that nobody gave follow from. */
export interface CodecCourse {
  readonly steps: number;
  readonly width: number;
  /** Tokens of each line that is learned from. */
  readonly lengths: readonly number[];
}

/**
 * The codec's among a training's options, completed: both sides are told the same. Throws
 * OptionError for what the codec has no use for.
 */
export function toldCodec(given: SplitCodecOptions, course: CodecCourse): Told {
  const { steps, width, lengths } = course;
  const kept = lengths.reduce((sum, count) => sum + sampleBytes(count, width), 0);
  const told = complete(given, codecTable);
  const row: CodecRow = codecs[told.codec];
  if (told.gradientThreshold > 0 && row.last !== 'moved')
    throw new OptionError(
      `gradientThreshold is ${told.gradientThreshold}, but codec ${told.codec} sends all ` +
        `gradients: leave it out, or choose moved or amaq-moved`,
    );
  return {
    ...told,
    gateWarmup: told.gateWarmup ?? Math.min(MOST_WARMUP, Math.floor(steps / WARMUP_SHARE)),
    gateFreeze: told.gateFreeze ?? Math.max(1, Math.floor(steps / 2)),
    stateBytes: told.stateBytes ?? Math.min(MOST_STATE_BYTES, kept),
  };
}

export function codecOf(told: Told): CodecOptions {
  const { gateLeast: least, gateMost: most, gateRate: rate, gateWeight: beta, bits } = told;
  const { gatePenalty: penalty, gateWarmup: warmup, gateFreeze: freezeAt, stateBytes } = told;
  const { codec, group, byToken, threshold, gradientThreshold } = told;
  const course = { ...(warmup !== undefined && { warmup }), ...(freezeAt && { freezeAt }) };
  return {
    ...{ codec, bits, group, byToken, threshold, gradientThreshold },
    ...(stateBytes !== undefined && { stateBytes: Number(stateBytes) }),
    gates: { target: bits, least, most, rate, beta, penalty, ...course },
  };
}

/** The codec that a greeting tells. Throws OptionError for what is none. */
export function readCodec(text: string): CodecOptions {
  const given = parsed(text);
  if (typeof given !== 'object' || given === null)
    throw new OptionError(`the codec is '${text.slice(0, 40)}', expected options as JSON`);
  return codecOf(settle('the codec', given, codecTable, 'codec.'));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
