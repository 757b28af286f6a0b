// What a plan is made from: where the layers are, and what is asked of a run.
import type { Backend } from '../backend/backend.ts';
import type { RowType } from '../backend/dtype.ts';
import type { Budget } from '../cache/budget.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LayerRange } from '../model/tensors.ts';
import type { LayerSharing, Policy } from '../policy/policy.ts';

/** Where layers are. */
export interface Placement {
  readonly config: ModelConfig;
  /** The backend of this thread: plans ask it for sizes, and k-means runs on it. */
  readonly backend: Backend;
  /** Ranges of layers, first to last: one, or one for each worker. */
  readonly layerRanges: readonly LayerRange[];
  /** Blocks that may be under way at once. */
  readonly depth: number;
}

export interface PlanOptions {
  readonly budget: Budget;
  readonly blockSize: number;
  readonly policy: Policy;
  readonly heads: 'uniform' | 'adaptive';
  readonly layers: LayerSharing;
  /** Similarity of each layer (engine/profile.ts), wanted by layers 'sensitivity'. */
  readonly sensitivity?: readonly number[];
  readonly alpha: number;
  readonly sinks: number;
  readonly safeguard: number;
  readonly rowType: RowType;
  readonly positions: 'original' | 'compact' | 'auto';
  /** Longest patched prompt, in tokens; 0 where the policy has none. */
  readonly promptTokens: number;
  /**
   * Rows per kv head, out of the budget, that are kept free for what a question recalls
   * (episode/recall.ts); 0 = none.
   */
  readonly recallRows: number;
  /** States of episodes that are kept in memory beside the resident cache. */
  readonly storedCaches: number;
  readonly seed: number;
}
