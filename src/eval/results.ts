// What is measured: of an answer, of a conversation, of a setup. Records, as reports and files of
// results hold them.
import type { Interval } from './bootstrap.ts';
import type { Explanation } from './explain.ts';

export interface Answer {
  readonly conversation: string;
  readonly question: string;
  readonly expected: string;
  readonly answer: string;
  readonly correct: boolean;
  readonly f1: number;
  readonly topic?: string;
  /** Tokens between the end of the evidence and the end of the conversation, as a share of it. */
  readonly distance?: number;
  readonly firstTokenMs: number;
  readonly episode?: number;
  readonly recalledTokens: number;
  /** Where the evidence was kept and lost; undefined where nothing was evicted. */
  readonly evidence?: Explanation;
}

/** What one conversation under a setup and a setup's whole result both tell. */
export interface Measured {
  readonly policy: string;
  /** Rows kept per kv head; the mean over conversations where the budget is a share. */
  readonly budget: number;
  readonly block: number;
  readonly heads: string;
  readonly layers: string;
  readonly cacheType: string;
  /** Rows of the budget that are reserved for recall. */
  readonly recall: number;
  readonly tokens: number;
  readonly peakCacheBytes: number;
  readonly promisedBytes: number;
  readonly peakBytes: number;
  readonly prefillMs: number;
  readonly answers: readonly Answer[];
}

/** One conversation under one setup. */
export interface DialogueResult extends Measured {
  readonly prefillTokens: number;
  readonly decodeMs: number;
  readonly decodeTokens: number;
}

export interface EvalResult extends Measured {
  readonly questions: number;
  /** Share of answers that equal the expected one after trimming. */
  readonly accuracy: number;
  readonly interval: Interval;
  readonly f1: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** Median over questions. */
  readonly firstTokenMs: number;
  /**
   * Accuracy by topic, and by the distance of the evidence in quarters of the conversation (0: the
   * newest).
   */
  readonly byTopic: Readonly<Record<string, Share>>;
  readonly byDistance: Readonly<Record<string, Share>>;
}

export interface Share {
  readonly questions: number;
  readonly accuracy: number;
}
