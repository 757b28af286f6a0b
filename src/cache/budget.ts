// Budgets: what a number of bytes holds in rows, how layers share them, and what a session promises
// never to exceed.
import { describeValue } from '../arguments.ts';
import { BudgetError, OptionError } from '../errors.ts';
import { apportion } from '../math/apportion.ts';
import { formatBytes, parseBytes } from '../math/format.ts';

/**
 * A budget as the user gave it: tokens kept per kv head (averaged over layers and heads), or bytes
 * for everything a session holds.
 */
export type Budget = { readonly tokens: number } | { readonly bytes: number };

/**
 * 512 or '512' -> tokens, '64MB' -> bytes (units of 1024). Throws OptionError for anything else.
 */
export function parseBudget(budget: unknown): Budget {
  const isTokens =
    typeof budget === 'number' || (typeof budget === 'string' && /^\s*\d+\s*$/.test(budget));
  if (isTokens) {
    const tokens = Number(budget);
    if (!Number.isSafeInteger(tokens) || tokens < 1)
      throw new OptionError(
        `budget ${budget}: expected a whole number of tokens from 1, or bytes such as '64MB'`,
      );
    return { tokens };
  }
  const bytes = typeof budget === 'string' ? parseBytes(budget) : undefined;
  if (!Number.isSafeInteger(bytes))
    throw new OptionError(
      `budget ${describeValue(budget)}: expected tokens such as 512, or bytes such as '64MB'`,
    );
  return { bytes: bytes! };
}

/** More rows than any conversation has; keeps sums exact. */
const MAX_ROWS = 2 ** 24;

/**
 * Rows kept per kv head: the tokens themselves, or as many as the bytes hold. `promised(rows)`
 * tells what a session with that many rows reserves; it must not fall as rows grow. Throws
 * BudgetError where not even one row fits, and says what would.
 */
export function budgetRows(budget: Budget, promised: (rows: number) => number): number {
  if ('tokens' in budget) return Math.min(budget.tokens, MAX_ROWS);
  const least = promised(1);
  if (least > budget.bytes) {
    throw new BudgetError(
      `budget ${formatBytes(budget.bytes)} is too small: blocks, scratch and one row a head ` +
        `take ${formatBytes(least)}. ` +
        `Raise the budget to ${formatBytes(least)} or more, or lower blockSize or promptTokens.`,
    );
  }
  let low = 1;
  let high = 2;
  while (high < MAX_ROWS && promised(high) <= budget.bytes) {
    low = high;
    high *= 2;
  }
  high = Math.min(high, MAX_ROWS);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (promised(middle) <= budget.bytes) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Rows per kv head of each layer, summing to exactly layers * rows: weight_l = (1 - x_l)^alpha, x_l
 * the similarity s_l scaled to 0..1; at least rows / 4 each, at most `cap` (docs/algorithms.md,
 * 'Budgets of layers').
 */
export function layerBudgets(
  rows: number,
  similarity: readonly number[],
  alpha: number,
  cap = Number.POSITIVE_INFINITY,
): number[] {
  const least = Math.min(...similarity);
  const most = Math.max(...similarity);
  const weights = similarity.map((s) =>
    most > least ? (1 - (s - least) / (most - least)) ** alpha : 1,
  );
  return apportion(rows * similarity.length, weights, Math.max(1, Math.floor(rows / 4)), cap);
}

/** Share of the average that PyramidKV leaves the last layer (its beta of 20). */
const PYRAMID_LAST = 1 / 20;

/**
 * Rows per kv head of each layer, falling linearly with depth, summing to exactly layers * rows
 * (PyramidKV, arXiv 2406.02069).
 */
export function pyramidBudgets(rows: number, layers: number): number[] {
  const weights = Array.from({ length: layers }, (_, l) =>
    layers > 1 ? 2 - PYRAMID_LAST - (2 - 2 * PYRAMID_LAST) * (l / (layers - 1)) : 1,
  );
  return apportion(rows * layers, weights, 1, Number.POSITIVE_INFINITY);
}
