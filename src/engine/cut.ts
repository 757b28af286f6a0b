// When layers have to make room, and what is said where they cannot.
import { ContextError } from '../errors.ts';
import type { Ledger } from './ledger.ts';
import type { Plan } from './plan.ts';

/** Layers that a step cuts to their share. */
export type Cut = 'all' | 'windows' | 'none';

/**
 * Which layers have to be cut to their share once T tokens have been appended behind `token`: all
 * where one that is rated will hold more than that (or all together, where they are selected from
 * together), those with a window where only these will.
 */
export function cutFor(
  ledger: Ledger,
  plan: Plan,
  layerRows: 'layerRows' | 'compactRows',
  token: number,
  T: number,
): Cut {
  const over = ledger.exceeding(T, plan[layerRows], Math.min(plan.sinks, token + T));
  const { slides, shape } = plan;
  if (over.some((is, i) => is && (shape.pooled || !slides[i]))) return 'all';
  return over.some(Boolean) ? 'windows' : 'none';
}

export const beyondError = (position: number, contextLength: number): ContextError =>
  new ContextError(
    `position ${position} is beyond the model's context of ${contextLength}: use positions ` +
      `'auto' or 'compact'`,
  );

export const noRoomError = (count: number): ContextError =>
  new ContextError(`${count} tokens do not fit into an empty conversation: give fewer at a time`);
