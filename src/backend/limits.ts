// What a backend can do at most, and what it has to be ready for.

import type { ExpertShape } from './experts.ts';

export interface BackendLimits {
  /** Most numbers of the queries, with what is kept beside them, that rate a kv head's rows. */
  readonly observerNumbers: number;
  /** Most columns of the output projection, in whole blocks, that values are weighed by a head. */
  readonly valueColumns: number;
  /** What the dimensions of a head must be a multiple of for rows of few bits. */
  readonly quantizedMultiple: number;
  /** Whether keys can share grids (cpu/groups.ts), and most dimensions of a head that is cached. */
  readonly groupsRows: boolean;
  readonly headDim: number;
  /**
   * What kept keys are turned by: a rotation for each difference of positions ('shifts'), or tables
   * of them all (Turning in cache.ts).
   */
  readonly turns: 'shifts' | 'tables';
  /** What working memory is rounded up to a multiple of. */
  readonly growBytes: number;
}

/** What the largest operation will be. */
export interface ScratchShape {
  readonly tokens: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Widest weight input (k), or row that is clustered. */
  readonly width: number;
  /** Most centroids. Default 0: nothing is clustered. */
  readonly clusters?: number;
  /** Whether batches of so many tokens are learned from (training.ts). Default: they are not. */
  readonly training?: boolean;
  /**
   * Most numbers of a key of a recurrence: headDim of a delta net, stateSize of Mamba-2
   * (recurrent.ts). Default 0: there is none.
   */
  readonly recurrentKeys?: number;
  /** Layers of experts that tokens go through. Default: none. */
  readonly experts?: ExpertShape;
}
