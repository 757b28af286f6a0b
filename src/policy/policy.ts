// What an eviction policy is: a record that says who looks at the cache, what a look is worth, and
// what is kept whatever the score. It knows rows, queries and numbers; no model, no conversation,
// no budget.
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
import type { Angles, Backend, Looks } from '../backend/backend.ts';
import type { LayerRows } from '../backend/cache.ts';
import type { Address, Scores, Tensor, Weight } from '../backend/tensor.ts';
import { OptionError } from '../errors.ts';
import { attentionScore } from './attention.ts';

/**
 * Whose queries rate the rows: nobody's, the block's last `count`, all of the block's (with
 * `ahead`: turned to the mean of that many coming positions), or a patched prompt's
 * (docs/algorithms.md, 'Patched prompts').
 */
export type Observer =
  | { readonly queries: 'none' }
  | { readonly queries: 'last'; readonly count: number }
  | { readonly queries: 'block'; readonly ahead?: number }
  | { readonly queries: 'patched'; readonly prompt: (typeof promptNames)[number] };

/** One layer's rows while they are rated. */
export interface LayerView {
  readonly layer: number;
  /** The rows, as operations take them. */
  readonly cached: LayerRows;
  /** Tokens of the conversation so far; a row's token number is below it. */
  readonly tokens: number;
  /**
   * The observers' queries [count, Hq * d], those of the newest `count` tokens unless patched. A
   * score may overwrite them.
   */
  readonly queries?: Tensor;
  readonly count: number;
  /**
   * What these queries' attention to these rows summed up to, where a patched prompt has just been
   * forwarded and it is known.
   */
  readonly looks?: Looks;
  /**
   * Rotations of the `count` queries to the mean over coming positions, where the observer asks for
   * them.
   */
  readonly ahead?: Angles;
  /** Rows at the end of each head that are kept whatever the score. */
  readonly recent: number;
  /** How many rows the layer keeps per kv head, sinks not counted. */
  readonly keeps: number;
  /** The layer's output projection [D, Hq * d], for value terms. */
  readonly output?: Weight;
  /** Three buffers, each with room for one number a row; a score may overwrite all of them. */
  readonly out: Address;
  readonly spare: Address;
  readonly extra: Address;
  readonly seed: number;
}

/**
 * Rates the rows of a layer, higher = keep. A head may get fewer scores than it has rows: the rows
 * at its end are then kept.
 */
export type Score = (view: LayerView, ops: Backend) => Scores;

export interface Policy {
  readonly name: string;
  /** One line for people, with the paper. */
  readonly summary: string;
  readonly observe: Observer;
  /**
   * What many looks at a row are worth: their mean, the largest, or the worst case of smoothed
   * looks with a floor (docs/algorithms.md, 'Defensive aggregation').
   */
  readonly aggregate: Aggregate;
  /** Looks are averaged over this many neighbouring rows (odd); 1 = not at all. */
  readonly pool: number;
  /**
   * 'projected': scores are weighted by what a row's value becomes in the output (CriticalKV). It
   * takes the rows' state.
   */
  readonly value: 'none' | 'projected';
  /**
   * 2: the rows that hold most of the mean attention are kept first, scores decide about the rest
   * (CriticalKV).
   */
  readonly stages: 1 | 2;
  /** How heads and layers share the budget where the caller does not say. */
  readonly heads: 'uniform' | 'adaptive';
  readonly layers: LayerSharing;
  /** Share of its uniform budget that each head keeps for certain under adaptive heads. */
  readonly safeguard: number;
  readonly protect: {
    /** Newest rows kept whatever the score, counted inside the budget. */
    readonly recent: number;
    /** First rows kept on top of the budget: at least this many. */
    readonly sinks: number;
  };
  /** False only where nothing is ever evicted. */
  readonly evicts: boolean;
  /**
   * True where scoring changes the rows' state, so that it must run on every block, full or not.
   */
  readonly accumulates: boolean;
  readonly score: Score;
  /** Whether `score` follows from the axes above; false where it is a formula of its own. */
  readonly composed: boolean;
}

export type PolicyDefinition = Pick<Policy, 'name' | 'summary'> &
  Partial<Omit<Policy, 'protect'>> & { readonly protect?: Partial<Policy['protect']> };

export const aggregates = ['mean', 'max', 'defensive'] as const;
export type Aggregate = (typeof aggregates)[number];

/**
 * 'uniform': equal layers; 'sensitivity': by the model's profile; 'pyramid': falling linearly with
 * depth; 'global': the best rows of all layers and heads together, whatever their place
 * (Layer-DefensiveKV).
 */
export const layerSharings = ['uniform', 'sensitivity', 'pyramid', 'global'] as const;
export type LayerSharing = (typeof layerSharings)[number];

/** Patched prompts by what they ask for. */
export const promptNames = ['repeat', 'summary', 'episode'] as const;
export const values = ['none', 'projected'] as const;
export const stageCounts = [1, 2] as const;
export const headSharings = ['uniform', 'adaptive'] as const;

/**
 * Widest smoothing, what observe_defensive() of assembly/defensive.ts takes: with 64 and more rows
 * its tiles of 64 would never move on. More than any paper uses.
 */
export const MOST_POOL = 31;
/** Most observers, and most rows that are protected: as many as the longest block has tokens. */
export const MOST_WINDOW = 1 << 16;
/** Most coming positions that queries are turned to the mean of: angles are summed one by one. */
const MOST_AHEAD = 1 << 16;

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

/** Policies that definePolicy() made, and scores that it derived from axes. */
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
  const {
    summary,
    observe = { queries: 'none' },
    aggregate = 'mean',
    heads = 'uniform',
    layers = 'uniform',
  } = given;
  const { safeguard = 0.2, evicts = true, accumulates = false, composed = false } = given;
  // axes that came along with a composed policy say nothing about a score that takes its place
  const isReplaced = flag(what('composed'), composed) && own !== undefined;
  const { pool = 1, value = 'none', stages = 1 } = isReplaced ? {} : given;
  const { recent = 0, sinks = 0 } = knownNames<Partial<Policy['protect']>>(
    what('protect'),
    given.protect,
    ['recent', 'sinks'],
  );
  const policy = {
    name,
    summary: text(what('summary'), summary),
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
  if (own === undefined && policy.observe.queries === 'none')
    throw new OptionError(
      `policy '${name}' has neither observers nor a score: give observe such as { queries: ` +
        `'last', count: 64 }, or a score function`,
    );
  if (own !== undefined && (policy.pool !== 1 || policy.value !== 'none' || policy.stages !== 1))
    throw new OptionError(
      `policy '${name}' has a score of its own, which pool, value and stages would not change: ` +
        `leave them out, or the score`,
    );
  const score = own ?? attentionScore(policy);
  if (own === undefined) derived.add(score);
  const complete = Object.freeze({ ...policy, score, composed: own === undefined });
  defined.add(complete);
  return complete as Policy & { readonly name: N };
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

const observerNames = {
  none: ['queries'],
  last: ['queries', 'count'],
  block: ['queries', 'ahead'],
  patched: ['queries', 'prompt'],
} as const satisfies Record<Observer['queries'], readonly string[]>;

function readObserver(what: (part: string) => string, observer: Observer): Observer {
  // each kind has fields of its own: which it is comes first
  const { queries: found } = knownNames<AllOfObserver>(what('observe'), observer, [
    'queries',
    'count',
    'ahead',
    'prompt',
  ]);
  const queries = oneOf(
    what('observe.queries'),
    found,
    Object.keys(observerNames) as Observer['queries'][],
  );
  const { count, ahead, prompt } = knownNames<AllOfObserver>(
    what(`observe (queries '${queries}')`),
    observer,
    observerNames[queries],
  );
  switch (queries) {
    case 'none':
      return Object.freeze({ queries });
    case 'last':
      return Object.freeze({ queries, count: whole(what('observe.count'), count, 1, MOST_WINDOW) });
    case 'block':
      return Object.freeze(
        ahead === undefined
          ? { queries }
          : { queries, ahead: whole(what('observe.ahead'), ahead, 1, MOST_AHEAD) },
      );
    case 'patched':
      return Object.freeze({ queries, prompt: oneOf(what('observe.prompt'), prompt, promptNames) });
    default:
      return queries satisfies never;
  }
}

interface AllOfObserver {
  readonly queries?: Observer['queries'];
  readonly count?: number;
  readonly ahead?: number;
  readonly prompt?: (typeof promptNames)[number];
}
