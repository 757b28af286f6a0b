// Any policy's axes, changed one by one: who looks, what looks are worth, what weighs them. Heads and layers are options of the run.
import { OptionError } from '../errors.ts';
import { aggregates, definePolicy, type Observer, type Policy } from './policy.ts';

/** 'last': the block's last queries; 'block': all of its queries; the others: a patched prompt's (section 2: KVzip's, InfiniPot's, EpiCache's). */
export const observerNames = ['last', 'block', 'repeat', 'summary', 'episode'] as const;

export interface Axes {
  readonly observe?: (typeof observerNames)[number];
  /** Newest tokens that are kept whatever their score; under 'last' the ones that look. */
  readonly window?: number;
  readonly aggregate?: Policy['aggregate'];
  /** Neighbouring rows that looks are averaged over: an odd number, 1 = not at all. */
  readonly pool?: number;
  readonly value?: Policy['value'];
  readonly stages?: Policy['stages'];
}

const DEFAULT_WINDOW = 64;
/** Widest smoothing that the kernels know, and more than any paper uses. */
const MOST_POOL = 31;
const MOST_WINDOW = 1 << 16;

/**
 * A policy with some of its axes changed, named so that a table tells which: 'snapkv(aggregate max, pool 7)'. Throws OptionError for values out of
 * range, and for a policy that scores by a formula of its own (keydiff, h2o, ...): axes would do nothing there.
 */
export function composePolicy(base: Policy, axes: Axes): Policy {
  const given = Object.entries(axes).filter(([, value]) => value !== undefined);
  if (given.length === 0) return base;
  const refuse = (why: string): never => {
    throw new OptionError(why);
  };
  const oneOf = (name: string, value: unknown, allowed: readonly unknown[]) => {
    if (value !== undefined && !allowed.includes(value)) refuse(`${name} is '${String(value)}', expected ${allowed.join(' or ')}`);
  };
  const { observe, window, aggregate, pool, value, stages } = axes;
  oneOf('observe', observe, observerNames);
  oneOf('aggregate', aggregate, aggregates);
  oneOf('value', value, ['none', 'projected']);
  oneOf('stages', stages, [1, 2]);
  if (pool !== undefined && !(Number.isInteger(pool) && pool % 2 === 1 && pool >= 1 && pool <= MOST_POOL))
    refuse(`pool is ${pool}, expected an odd number from 1 to ${MOST_POOL}`);
  if (window !== undefined && !(Number.isInteger(window) && window >= 0 && window <= MOST_WINDOW))
    refuse(`window is ${window}, expected a whole number from 0 to ${MOST_WINDOW}`);
  if (!base.composed)
    refuse(`policy '${base.name}' scores by a formula of its own, ${given.map(([name]) => name).join(', ')} would change nothing: begin with snapkv, say`);
  const observer = observe === undefined ? base.observe : observerOf(observe, base.observe);
  const looking = observer.queries === 'last' ? { ...observer, count: Math.max(1, window ?? observer.count) } : observer;
  const recent = window ?? (observer.queries === base.observe.queries ? base.protect.recent : observer.queries === 'last' ? observer.count : 0);
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
  if (name === 'last') return { queries: 'last', count: base.queries === 'last' ? base.count : DEFAULT_WINDOW };
  return { queries: 'patched', prompt: name };
}
