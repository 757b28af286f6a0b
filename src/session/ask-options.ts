// What add() and ask() take: how a call waits, and how a reply is made.
import { type SampleOptions, sampleTable } from '../engine/sampling/options.ts';
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf } from '../options/table.ts';

export interface AddProgress {
  readonly doneTokens: number;
  readonly totalTokens: number;
  readonly blockMs: number;
  /** Tokens that the cache being made has seen, and bytes of its rows after the block. */
  readonly seenTokens: number;
  readonly cacheBytes: number;
  /** Which episode's cache is being made, of how many; 0 of 1 without episodes. */
  readonly episode: number;
  readonly episodes: number;
}

export const addTable = {
  /**
   * Whether the call waits in line where another one has the conversation; false refuses it then.
   * Default true.
   */
  queue: option(kinds.flag, { default: true, summary: 'whether the call waits for those before' }),
  /**
   * Stops between two blocks: what was not forwarded yet waits for the next call, nothing that was
   * added is lost.
   */
  signal: option(kinds.signal, { summary: 'stops it' }),
  /** Called after each block. */
  onProgress: option(kinds.callback<(progress: AddProgress) => void>(), {
    summary: 'called after each block',
  }),
};

export interface AddOptions extends OptionsOf<typeof addTable> {}

export const replyTable = {
  /** Longest reply in tokens. Default 256. */
  maxTokens: option(kinds.whole(1, 2 ** 31 - 1), {
    default: 256,
    flag: 'max-tokens N',
    summary: 'longest reply',
  }),
  /**
   * Whether question and reply become part of the conversation; false asks independently of other
   * questions. Default true.
   */
  keep: option(kinds.flag, {
    default: true,
    flag: 'independent',
    flagMeans: false,
    summary: 'forget each question and reply before the next',
  }),
  /** Whether the model's chat template is put around the question. Default true. */
  template: option(kinds.flag, {
    default: true,
    summary: "whether the model's chat template is put around the question",
  }),
};

export const askTable = { ...addTable, ...replyTable, ...sampleTable };

export interface AskOptions extends OptionsOf<typeof replyTable>, SampleOptions, AddOptions {}
