// How replies are drawn: the options of sampling.
import { within } from '../../arguments.ts';
import { OptionError } from '../../errors.ts';
import * as kinds from '../../options/kinds.ts';
import { option, type OptionsOf } from '../../options/table.ts';

const topP = kinds.custom(
  'a number above 0, at most 1',
  (name, value) => {
    if (within(name, value, 0, 1) > 0) return value as number;
    throw new OptionError(
      `${name} is 0, expected a number above 0, at most 1: topK: 1 takes the best token`,
    );
  },
  { fromText: kinds.number(0, 1).fromText },
);

export const sampleTable = {
  /** 0 = greedy: the most probable token, the lower on ties. Default 0. */
  temperature: option(kinds.number(0, Number.POSITIVE_INFINITY), {
    default: 0,
    flag: 'temperature T',
    summary: '0 is greedy: always the most probable token',
  }),
  /** Only the k most probable tokens; 0 = all. Default 0. */
  topK: option(kinds.whole(0, Number.POSITIVE_INFINITY), {
    default: 0,
    flag: 'top-k K',
    summary: 'only the K most probable tokens; 0: all',
  }),
  /** The fewest tokens whose probabilities reach this; 1 = all. Default 1. */
  topP: option(topP, {
    default: 1,
    flag: 'top-p P',
    summary: 'only the most probable tokens that make up P together; 1: all',
  }),
  /** Only tokens at least this share as probable as the best; 0 = all. Default 0. */
  minP: option(kinds.number(0, 1), {
    default: 0,
    flag: 'min-p P',
    summary: 'only tokens at least P times as probable as the best; 0: all',
  }),
  /**
   * A whole number, of which the lowest 32 bits count. Same seed, same tokens. Default: another one
   * each time; which it was can be read.
   */
  seed: option(kinds.whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), {
    otherwise: 'another one each time',
    flag: 'seed N',
    summary: 'same seed, same replies',
  }),
};

export interface SampleOptions extends OptionsOf<typeof sampleTable> {}

/** What decides which token a random number draws. */
export type Filters = Required<Omit<SampleOptions, 'seed'>>;
