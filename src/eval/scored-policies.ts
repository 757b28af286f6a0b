// The policies that can be scored on tensors from a file: the registry's, and parts of them under
// names of their own that test/fixtures/policies.json has.
import { OptionError } from '../errors.ts';
import { definePolicy } from '../policy/define.ts';
import type { Policy } from '../policy/policy.ts';
import { findPolicy, policies } from '../policy/registry.ts';

/** docs/algorithms.md, 'Defensive aggregation' alone: no value term, one stage. */
export const PARTS_ALONE = 'defensive-aggregation';

/**
 * A policy by name, its window that of the file; also the parts that the fixtures name. Throws
 * OptionError for a name we don't have.
 */
export function scoredPolicy(name: string, window: number): Policy {
  if (name === 'patched-max') return findPolicy('kvzip');
  if (name === 'patched-mean') return definePolicy({ ...findPolicy('kvzip'), aggregate: 'mean' });
  const policy =
    name === PARTS_ALONE
      ? definePolicy({
          name,
          summary: 'defensive aggregation alone',
          observe: { queries: 'last', count: window },
          aggregate: 'defensive',
          pool: 5,
          protect: { recent: window },
        })
      : findPolicy(name);
  if (looksAhead(policy))
    throw new OptionError(
      `policy '${name}' needs queries before RoPE, the file has them after it: score another one`,
    );
  if (policy.observe.queries !== 'last' || policy.observe.count === 1) return policy;
  return definePolicy({
    ...policy,
    observe: { queries: 'last', count: window },
    protect: { recent: window },
  });
}

/** Whether a policy turns queries to other positions: the file does not say where its own stand. */
function looksAhead({ observe }: Policy): boolean {
  return observe.queries === 'block' && observe.ahead !== undefined;
}

/** What is scored where no policy is named. */
export function scoredNames(): string[] {
  const own = policies
    .filter((p) => p.evicts && p.observe.queries !== 'patched' && !looksAhead(p))
    .map((p) => p.name);
  return [...own.filter((name) => name !== 'random'), 'patched-max', 'patched-mean', PARTS_ALONE];
}
