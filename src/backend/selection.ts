// Which rows are kept: what is asked of a backend, and what it gives.
import type { Address } from './tensor.ts';

/** Rows that are kept whatever the score: the conversation's first tokens, and the newest rows. */
export interface Protection {
  readonly sinks: number;
  readonly recent: number;
}

/** How much of the attention is to be kept for certain, and of how many rows. */
export interface MostLooked {
  readonly mass: number;
  readonly recent: number;
  readonly rows: number;
}

/** What heads may keep. */
export interface Share {
  /** Rows kept per head, on average, sinks not counted. */
  readonly rows: number;
  /** First tokens of the conversation that are kept on top. */
  readonly sinks: number;
  /**
   * 'uniform': every head keeps as many; 'adaptive': the best rows, whatever their head
   * (docs/algorithms.md, 'Budgets of heads').
   */
  readonly heads: 'uniform' | 'adaptive';
  /** Share of its uniform budget that an adaptive head keeps for certain. */
  readonly safeguard: number;
}

/** Rows that stay, i32 head after head: how many of each head, the backend knows. */
export interface Selection {
  readonly address: Address;
}
