// The second half of the sentence: scores -> select -> compact. Exactly the plan's rows stay; what
// is protected stays whatever its score.
import type { Share } from '../backend/backend.ts';
import type { Turning } from '../backend/cache.ts';
import type { Scores } from '../backend/tensor.ts';
import { ORIGINAL, recentOf, type Step } from './block.ts';
import type { Stage } from './stage.ts';

/** What layers kept, as far as somebody wants to know: token numbers of each head's rows. */
export type Kept = { readonly layer: number; readonly tokens: Promise<readonly Int32Array[]> }[];

/**
 * Evicts from a layer by its scores. The one variation: layers that share one budget are selected
 * from together, once the last of them has its scores.
 */
export function evict(stage: Stage, layer: number, scores: Scores, step: Step, kept: Kept): void {
  if (!step.evicts) return;
  const { plan, cache, room, withRows } = stage;
  const { backend } = stage.transformer;
  const rows = cache.rows(layer);
  const { sinks, safeguard } = plan;
  const before = plan.shape.pooled && layer > withRows[0] ? stage.ratedLayers : undefined;
  const protection = { sinks, recent: recentOf(stage, layer) };
  const rated = backend.protect(before ?? room.rated, rows, scores, protection);
  if (keepsScores(stage)) backend.keepAsState(rows, rated);
  const share = { rows: plan[step.layerRows][layer], sinks, safeguard };
  if (!plan.shape.pooled) {
    const own: Share = { ...share, heads: plan.heads };
    const selection = backend.select(room.kept, rows, rated, own);
    cache.compact(layer, selection, turningOf(stage, step));
    tell(stage, layer, kept);
    return;
  }
  const all = before ? backend.join(before, rated) : rated;
  stage.ratedLayers = all;
  if (layer < withRows[withRows.length - 1]) return;
  const selection = backend.select(room.kept, cache.allRows(), all, {
    ...share,
    heads: 'adaptive',
  });
  cache.compactAll(selection, turningOf(stage, step));
  for (const each of withRows) tell(stage, each, kept);
}

/** More tokens than any conversation has; an f32 has them all. */
const MOST_TOKENS = 2 ** 24;

/**
 * Cuts a layer with a window to its newest rows: those before are never seen again. Scores stay
 * below 0, the score of rows that are appended later, so that a union of two states keeps the
 * newest rows, too.
 */
export function slide(stage: Stage, layer: number, step: Step, kept: Kept): void {
  if (!step.evicts) return;
  const { plan, cache, room } = stage;
  const { backend } = stage.transformer;
  const rows = cache.rows(layer);
  const scores = backend.rateTokens(room.rated, rows, { plus: -MOST_TOKENS });
  if (keepsScores(stage)) backend.keepAsState(rows, scores);
  const selection = backend.select(room.kept, rows, scores, {
    rows: plan[step.layerRows][layer] + Math.min(plan.sinks, step.token + step.count),
    sinks: 0,
    heads: 'uniform',
    safeguard: 0,
  });
  cache.compact(layer, selection, turningOf(stage, step));
  tell(stage, layer, kept);
}

/**
 * Whether a patched prompt's scores stay with the rows, as their state, so that two episodes' rows
 * can be compared; not where a policy needs the state.
 */
function keepsScores({ plan }: Stage): boolean {
  const { observe, value, accumulates } = plan.policy;
  return observe.queries === 'patched' && value === 'none' && !accumulates;
}

/** How the rows that stay are turned, where positions are made compact. */
function turningOf({ plan, turns }: Stage, step: Step): Turning | undefined {
  if (!step.compact) return undefined;
  return {
    base: plan.compactBase,
    end: step.base === ORIGINAL ? undefined : step.position + step.count,
    anglesOf: turns.anglesOf,
    tablesOf: turns.tablesOf,
  };
}

function tell({ plan, cache, reports }: Stage, layer: number, kept: Kept): void {
  if (reports) kept.push({ layer: plan.first + layer, tokens: cache.tokens(layer) });
}
