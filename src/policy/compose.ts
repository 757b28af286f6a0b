// Any policy's axes, changed one by one: who looks, what looks are worth, what weighs them. Heads
// and layers are options of the run.
import { OptionError } from '../errors.ts';
import * as kinds from '../options/kinds.ts';
import { option, type OptionsOf, settle } from '../options/table.ts';
import { definePolicy, readPolicy, readPool } from './define.ts';
import {
  aggregates,
  MOST_POOL,
  MOST_WINDOW,
  type Observer,
  type Policy,
  stageCounts,
  values,
} from './policy.ts';

/** Who may look: the queries of the block, or those of a patched prompt. */
export const observerNames = ['last', 'block', 'repeat', 'summary', 'episode'] as const;

const pool = kinds.custom(`an odd number from 1 to ${MOST_POOL}`, readPool, {
  fromText: kinds.whole(1, MOST_POOL).fromText,
});

export const axisTable = {
  /**
   * Who looks. 'last': the block's last queries; 'block': all of its queries; the others: a patched
   * prompt's (KVzip's, InfiniPot's, EpiCache's). Default: the policy's.
   */
  observe: option(kinds.oneOf(observerNames), {
    otherwise: "the policy's",
    flag: 'observe WHO',
    summary:
      "who looks: the block's last queries, all of them, or a patched prompt that asks to " +
      'repeat, to sum up, or for the episode',
  }),
  /**
   * Newest tokens that are kept whatever their score; under 'last' the ones that look. Default: the
   * policy's.
   */
  window: option(kinds.whole(0, MOST_WINDOW), {
    otherwise: "the policy's",
    flag: 'window N',
    summary: 'newest tokens that are kept whatever their score, and that look under last',
  }),
  /**
   * What many looks are worth: their mean, the largest, or smoothed looks at their worst with a
   * floor of average risk. Default: the policy's.
   */
  aggregate: option(kinds.oneOf(aggregates), {
    otherwise: "the policy's",
    flag: 'aggregate HOW',
    summary:
      'what many looks are worth; defensive: smoothed ones at their worst, with a floor of ' +
      'average risk',
  }),
  /**
   * Neighbouring rows that looks are averaged over: an odd number, 1 = not at all. Default: the
   * policy's.
   */
  pool: option(pool, {
    otherwise: "the policy's",
    flag: 'pool N',
    summary: 'neighbouring rows that looks are averaged over, an odd number',
  }),
  /**
   * 'projected': looks are weighed by what a row's value becomes in the output. Default: the
   * policy's.
   */
  value: option(kinds.oneOf(values), {
    otherwise: "the policy's",
    flag: 'value TERM',
    summary: 'what weighs looks; projected: what a value becomes in the output',
  }),
  /** 2: the rows with most of the attention are kept first. Default: the policy's. */
  stages: option(kinds.oneOf(stageCounts), {
    otherwise: "the policy's",
    flag: 'stages N',
    summary: '2: the rows with most of the attention are kept first',
  }),
};

export interface Axes extends OptionsOf<typeof axisTable> {}

const DEFAULT_WINDOW = 64;

/**
 * A policy with some of its axes changed, named so that a table tells which: 'snapkv(aggregate max,
 * pool 7)'. Throws OptionError for values out of range, and for a policy that scores by a formula
 * of its own (keydiff, h2o, ...): axes would do nothing there.
 */
export function composePolicy(policy: Policy, changes: Axes): Policy {
  const base = readPolicy(policy);
  const axes = settle('composePolicy', changes, axisTable);
  const given = Object.entries(axes);
  if (given.length === 0) return base;
  const { observe, window, aggregate, pool, value, stages } = axes;
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
