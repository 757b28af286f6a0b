// Makes policies: what a definition leaves out is filled in, what it says is checked, and a score
// follows from its axes where it has none of its own. Policies that come from elsewhere are read by
// the same checks.
import {
  callback,
  describeValue,
  filledText,
  flag,
  knownNames,
  namesOf,
  oneOf,
  text,
  whole,
  within,
} from '../arguments.ts';
import { OptionError } from '../errors.ts';
import { attentionScore } from './attention.ts';
import {
  aggregates,
  headSharings,
  layerSharings,
  MOST_POOL,
  MOST_WINDOW,
  type Policy,
  type PolicyDefinition,
  type Score,
  stageCounts,
  values,
} from './policy.ts';
import { readObserver } from './observer.ts';

const policyNames = namesOf<Policy>({
  name: true,
  summary: true,
  observe: true,
  aggregate: true,
  pool: true,
  value: true,
  stages: true,
  heads: true,
  layers: true,
  safeguard: true,
  protect: true,
  evicts: true,
  accumulates: true,
  score: true,
  composed: true,
});

/** Policies and scores that were made here: known to be whole, and to follow from axes. */
const defined = new WeakSet<object>();
const derived = new WeakSet<Score>();

/**
 * Completes a definition: what is left out is neutral, and a policy with observers is scored by
 * their attention. A definition that begins with another policy's (`...snapkv`) is composed where
 * that one is, unless it has a score of its own. Throws OptionError for names and values that are
 * none, for what the kernels cannot do (a pool that is even or wider than 31), and for axes that a
 * score of one's own would not heed. What it returns is frozen.
 */
export function definePolicy<const N extends string>(
  definition: PolicyDefinition & { readonly name: N },
): Policy & { readonly name: N } {
  const given = knownNames<Partial<Policy>>(
    'definePolicy',
    definition as Partial<Policy>,
    policyNames,
  );
  const name = filledText('definePolicy: name', given.name);
  const what = (part: string) => `policy '${name}': ${part}`;
  const own =
    given.score !== undefined && !derived.has(given.score)
      ? callback(what('score'), given.score)
      : undefined;
  // axes that came along with a composed policy say nothing about a score that takes its place
  const { composed = false } = given;
  const isReplaced = flag(what('composed'), composed) && own !== undefined;
  const policy = { name, ...readAxes(what, given, isReplaced ? {} : given) };
  checkScored(policy, own !== undefined);
  const score = own ?? attentionScore(policy);
  if (own === undefined) derived.add(score);
  const complete = Object.freeze({ ...policy, score, composed: own === undefined });
  defined.add(complete);
  return complete as Policy & { readonly name: N };
}

/**
 * Everything of a policy but its name and its score, checked; what is left out is neutral.
 * `scoring` has the axes that only a score of observers heeds.
 */
function readAxes(
  what: (part: string) => string,
  given: Partial<Policy>,
  scoring: Partial<Pick<Policy, 'pool' | 'value' | 'stages'>>,
): Omit<Policy, 'name' | 'score' | 'composed'> {
  const { observe = { queries: 'none' }, aggregate = 'mean' } = given;
  const { heads = 'uniform', layers = 'uniform' } = given;
  const { safeguard = 0.2, evicts = true, accumulates = false } = given;
  const { pool = 1, value = 'none', stages = 1 } = scoring;
  const { recent = 0, sinks = 0 } = knownNames<Partial<Policy['protect']>>(
    what('protect'),
    given.protect,
    ['recent', 'sinks'],
  );
  return {
    summary: text(what('summary'), given.summary),
    observe: readObserver(what, observe),
    aggregate: oneOf(what('aggregate'), aggregate, aggregates),
    pool: readPool(what('pool'), pool),
    value: oneOf(what('value'), value, values),
    stages: oneOf(what('stages'), stages, stageCounts),
    heads: oneOf(what('heads'), heads, headSharings),
    layers: oneOf(what('layers'), layers, layerSharings),
    safeguard: within(what('safeguard'), safeguard, 0, 1),
    protect: Object.freeze({
      recent: whole(what('protect.recent'), recent, 0, MOST_WINDOW),
      sinks: whole(what('protect.sinks'), sinks, 0, MOST_WINDOW),
    }),
    evicts: flag(what('evicts'), evicts),
    accumulates: flag(what('accumulates'), accumulates),
  };
}

/**
 * A policy is scored by its observers, or by a score of its own, which pool, value and stages would
 * not change. Throws OptionError.
 */
function checkScored(
  { name, observe, pool, value, stages }: Omit<Policy, 'score' | 'composed'>,
  hasOwn: boolean,
): void {
  if (!hasOwn && observe.queries === 'none')
    throw new OptionError(
      `policy '${name}' has neither observers nor a score: give observe such as { queries: ` +
        `'last', count: 64 }, or a score function`,
    );
  if (hasOwn && (pool !== 1 || value !== 'none' || stages !== 1))
    throw new OptionError(
      `policy '${name}' has a score of its own, which pool, value and stages would not change: ` +
        `leave them out, or the score`,
    );
}

/**
 * A policy that somebody hands in, as definePolicy() leaves it: one that did not come from there
 * (a record of one's own, a spread one with an axis changed) goes through it now.
 */
export function readPolicy(policy: Policy): Policy {
  const found: unknown = policy;
  if (found === null || typeof found !== 'object')
    throw new OptionError(
      `policy is ${describeValue(found)}, expected a name such as 'keydiff', or what ` +
        `definePolicy() made`,
    );
  return defined.has(policy) ? policy : definePolicy(policy);
}

/** Neighbouring rows that looks are averaged over. Throws OptionError. */
export function readPool(name: string, value: unknown): number {
  if (typeof value !== 'number' || value % 2 !== 1 || value < 1 || value > MOST_POOL)
    throw new OptionError(
      `${name} is ${describeValue(value)}, expected an odd number from 1 to ${MOST_POOL}`,
    );
  return value;
}
