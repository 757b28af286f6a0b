// Options of a run that change nothing, for tests and benches that care about one or two of them.
import type { CpuCache } from '../src/backend/cpu/cache.ts';
import { LocalLayers } from '../src/engine/executor.ts';
import type { PlanOptions } from '../src/engine/plan-options.ts';
import type { Run } from '../src/engine/run.ts';
import { findPolicy } from '../src/policy/registry.ts';

/**
 * A policy's plan with uniform heads and layers; patched prompts, where it has them, as long as a
 * block.
 */
export function planOptions(
  policy: string,
  change: Partial<PlanOptions> & Pick<PlanOptions, 'budget' | 'blockSize'>,
): PlanOptions {
  const patched = findPolicy(policy).observe.queries === 'patched';
  return {
    policy: findPolicy(policy),
    heads: 'uniform',
    layers: 'uniform',
    alpha: 1.1,
    sinks: 4,
    safeguard: 0.2,
    rowType: 'f16',
    positions: 'auto',
    promptTokens: patched ? change.blockSize : 0,
    recallRows: 0,
    storedCaches: 0,
    seed: 1,
    ...change,
  };
}

/** The cache of a run whose layers are on this thread. */
export function cacheOf(run: Run): CpuCache {
  if (!(run.layers instanceof LocalLayers)) throw new Error('the layers are elsewhere');
  return run.layers.stage.cache as CpuCache;
}
