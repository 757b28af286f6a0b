// The sentence: tokens -> forward -> append -> score -> select -> compact, for the layers at hand.
// Threads, workers and devices are other schedules of it, never other versions. run.ts decides what
// a block's step has to do, the policy gives scores, evict.ts keeps the best rows.
import type { Attending, Looks } from '../backend/backend.ts';
import type { LayerRows, Place } from '../backend/cache.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { Input } from '../model/forward.ts';
import type { LayerView } from '../policy/policy.ts';
import { rateRows } from '../policy/score.ts';
import { evict, type Kept, slide } from './evict.ts';
import type { Stage } from './stage.ts';

/** A block's step. */
export interface Step extends Place {
  /** Tokens of the block. */
  readonly count: number;
  /**
   * Whether the policy rates all rows, whether a patched prompt does it, and whether each layer is
   * then cut to its share. Layers with a window may be cut alone: then nothing is rated.
   */
  readonly rates: boolean;
  readonly patched: boolean;
  readonly evicts: boolean;
  /**
   * Whether rows that stay are turned to the positions before the plan's compactBase; and the base
   * that holds until then (ORIGINAL: every row is at the position of its token).
   */
  readonly compact: boolean;
  readonly base: number;
  /** Rows that each layer keeps per kv head. */
  readonly layerRows: 'layerRows' | 'compactRows';
}

/** The base while every row is at the position of its token. */
export const ORIGINAL = -1;

/**
 * Appends a block, lets the policy rate all rows, and evicts, layer by layer: a layer is cut as
 * soon as it has been scored. Where a patched prompt rates the rows, it goes through behind the
 * block.
 */
export function stepBlock(stage: Stage, block: Input, step: Step, kept: Kept): void {
  const { transformer, plan } = stage;
  const { policy } = plan;
  transformer.forward(block, {
    ...stage.passing, // each layer appends its keys and values
    position: step.position,
    token: step.token,
    onLayer(at, queries, T, _, __, attending) {
      const layer = stage.rowsSeenBy(at);
      if (step.patched || layer === undefined) return;
      if (plan.slides[layer]) slide(stage, layer, step, kept);
      if (plan.slides[layer] || !step.rates) return;
      const looking = { ...observersOf(stage, queries, T), attending };
      const scores = rateRows(policy, viewOf(stage, layer, step, looking), transformer.backend);
      evict(stage, layer, scores, step, kept); // selects, and compacts
    },
  });
}

/**
 * Forwards the patched prompt, lets its queries rate each layer, and drops its rows again
 * (docs/algorithms.md, 'Patched prompts'). A long one is forwarded in pieces, whose scores are
 * folded into one for each row.
 */
export function stepPrompt(stage: Stage, prompt: Input, step: Step, kept: Kept): void {
  const { plan, cache, transformer, room } = stage;
  const { backend } = transformer;
  const { policy } = plan;
  const P = transformer.countOf(prompt);
  const isMean = policy.aggregate === 'mean';
  const behindBlock = cache.mark(step.token + step.count);
  transformer.forward(prompt, {
    ...stage.passingBy,
    position: step.position + step.count,
    token: step.token + step.count,
    queriesOnly: true,
    looks: true,
    onLayer(at, queries, count, done, looks, attending) {
      const layer = stage.rowsSeenBy(at);
      if (layer === undefined) return;
      if (plan.slides[layer]) {
        if (done < P) return;
        cache.rewindLayer(layer, behindBlock);
        slide(stage, layer, step, kept);
        return;
      }
      // the prompt's own rows are not rated: each head is shown as it was before them (another
      // layer's are all there already)
      const cached = cache.rows(layer, at === layer ? done : P);
      const view = viewOf(stage, layer, step, { queries, count, looks, attending, cached });
      const scores = rateRows(policy, view, backend);
      const how = done === count ? 'first' : isMean ? 'mean' : 'max';
      const sum = backend.fold(room.looks, scores, isMean ? count / P : 1, how);
      if (done < P) return;
      cache.rewindLayer(layer, behindBlock);
      evict(stage, layer, sum, step, kept);
    },
  });
}

/** Who looks at a layer. */
interface Looking {
  readonly queries?: Tensor;
  readonly count: number;
  readonly looks?: Looks;
  readonly attending?: Attending | undefined;
  /** What they look at. Default: all of the layer's rows. */
  readonly cached?: LayerRows;
}

/** The observers among a block's queries [T, Hq * d]. */
function observersOf({ plan }: Stage, queries: Tensor, T: number): Looking {
  const { observe } = plan.policy;
  if (observe.queries === 'none') return { count: T };
  const count = observe.queries === 'last' ? Math.min(observe.count, T) : T;
  const address = queries.address + (T - count) * queries.columns * 4;
  return { queries: { ...queries, address }, count };
}

/** What a policy sees of a layer. */
function viewOf(stage: Stage, layer: number, step: Step, looking: Looking): LayerView {
  const { plan, cache, room, transformer } = stage;
  const { queries, count, looks, attending, cached = cache.rows(layer) } = looking;
  return {
    layer: plan.first + layer,
    cached,
    tokens: step.token + step.count,
    queries,
    count,
    looks,
    attending,
    ahead: stage.turns.ahead(layer, count),
    recent: recentOf(stage, layer),
    keeps: plan.layerRows[layer],
    output: transformer.weights.layers[layer].attentionOutput,
    out: room.scores,
    spare: room.smoothed,
    extra: room.aside,
    seed: plan.seed,
  };
}

/** Newest rows that a layer keeps whatever their score: no more than it keeps at all. */
export function recentOf({ plan }: Stage, layer: number): number {
  return Math.min(plan.policy.protect.recent, plan.layerRows[layer]);
}
