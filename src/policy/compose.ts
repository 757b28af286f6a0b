// Any policy's axes, changed one by one: who looks, what looks are worth, what weighs them. Heads
// and layers are options of the run.
import { knownNames, namesOf, oneOf, whole } from '../arguments.ts';
import { OptionError } from '../errors.ts';
import {
  aggregates,
  definePolicy,
  MOST_WINDOW,
  type Observer,
  type Policy,
  readPolicy,
  readPool,
  stageCounts,
  values,
} from './policy.ts';

/**
 * 'last': the block's last queries; 'block': all of its queries; the others: a patched prompt's
 * (section 2: KVzip's, InfiniPot's, EpiCache's).
 */
export const observerNames = [
  'last',
  'block',
  'repeat',
  'summary',
  'episode',
] as const satisfies readonly Axes['observe'][];

export interface Axes {
  readonly observe?: 'last' | 'block' | 'repeat' | 'summary' | 'episode';
  /** Newest tokens that are kept whatever their score; under 'last' the ones that look. */
  readonly window?: number;
  readonly aggregate?: Policy['aggregate'];
  /** Neighbouring rows that looks are averaged over: an odd number, 1 = not at all. */
  readonly pool?: number;
  readonly value?: Policy['value'];
  readonly stages?: Policy['stages'];
}

/** The names of all axes, for who takes them among other options. */
export const axisNames = namesOf<Axes>({
  observe: true,
  window: true,
  aggregate: true,
  pool: true,
  value: true,
  stages: true,
});

const DEFAULT_WINDOW = 64;

/**
 * A policy with some of its axes changed, named so that a table tells which: 'snapkv(aggregate max,
 * pool 7)'. Throws OptionError for values out of range, and for a policy that scores by a formula
 * of its own (keydiff, h2o, ...): axes would do nothing there.
 */
export function composePolicy(policy: Policy, changes: Axes): Policy {
  const base = readPolicy(policy);
  const axes = knownNames('composePolicy', changes, axisNames);
  const given = Object.entries(axes);
  if (given.length === 0) return base;
  const { observe, window, aggregate, pool, value, stages } = axes;
  if (observe !== undefined) oneOf('observe', observe, observerNames);
  if (aggregate !== undefined) oneOf('aggregate', aggregate, aggregates);
  if (value !== undefined) oneOf('value', value, values);
  if (stages !== undefined) oneOf('stages', stages, stageCounts);
  if (pool !== undefined) readPool('pool', pool);
  if (window !== undefined) whole('window', window, 0, MOST_WINDOW);
  if (!base.composed)
    throw new OptionError(
      `policy '${base.name}' scores by a formula of its own, ` +
        `${given.map(([name]) => name).join(', ')} would change nothing: begin with snapkv, say`,
    );
  const observer = observe === undefined ? base.observe : observerOf(observe, base.observe);
  const looking =
    observer.queries === 'last'
      ? { ...observer, count: Math.max(1, window ?? observer.count) }
      : observer;
  const recent =
    window ??
    (observer.queries === base.observe.queries
      ? base.protect.recent
      : observer.queries === 'last'
        ? observer.count
        : 0);
  return definePolicy({
    ...base,
    name: `${base.name}(${given.map(([name, v]) => `${name} ${v}`).join(', ')})`,
    observe: looking,
    aggregate: aggregate ?? base.aggregate,
    pool: pool ?? base.pool,
    value: value ?? base.value,
    stages: stages ?? base.stages,
    protect: { ...base.protect, recent },
  });
}

function observerOf(name: (typeof observerNames)[number], base: Observer): Observer {
  if (name === 'block') return { queries: 'block' };
  if (name === 'last')
    return { queries: 'last', count: base.queries === 'last' ? base.count : DEFAULT_WINDOW };
  return { queries: 'patched', prompt: name };
}
