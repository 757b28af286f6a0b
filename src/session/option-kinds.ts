// Kinds of values that only conversations take: budgets, policies, embedders, and what templates
// read.
import { describeValue, finiteNumbers, knownNames, namesOf, optional, text } from '../arguments.ts';
import { parseBudget } from '../cache/budget.ts';
import type { EmbedderOption } from '../episode/embedders.ts';
import { OptionError } from '../errors.ts';
import { custom, whole } from '../options/kinds.ts';
import { readPolicy } from '../policy/define.ts';
import type { Policy } from '../policy/policy.ts';
import { findPolicy, policies, type PolicyName } from '../policy/registry.ts';

/** Seeds are the 32 bits of a whole number, with a sign or without. */
export const seeds = whole(-(2 ** 31), 2 ** 32 - 1);

export const budget = custom<number | string>(
  "bytes such as '64MB', or tokens such as 512",
  (_, value) => {
    parseBudget(value);
    return value as number | string;
  },
);
export const policy = custom<PolicyName | Policy>(
  'a name, or what definePolicy() made',
  (_, value) => (typeof value === 'string' ? findPolicy(value) : readPolicy(value as Policy)),
  { words: policies.map((p) => p.name) },
);
export const similarities = custom<readonly number[]>('a number a layer', finiteNumbers);
export interface Instructions {
  readonly repeat: string;
  readonly summary: string;
  readonly episode: string;
}

const instructionNames = namesOf<Instructions>({ repeat: true, summary: true, episode: true });

export const instructions = custom<boolean | Partial<Instructions>>(
  'true, false, or texts: repeat, summary, episode',
  (name, value) => {
    if (typeof value === 'boolean') return value;
    const given = knownNames(name, value as Partial<Instructions>, instructionNames);
    for (const part of instructionNames) optional(text, `${name}.${part}`, given[part]);
    return given;
  },
  { isSwitch: true },
);
const embedderNames = ['lexical', 'model'];

export const embedder = custom<EmbedderOption>(
  'lexical, model, or a function from texts to vectors',
  (_, value) => {
    if (typeof value === 'function' || embedderNames.includes(value as string))
      return value as EmbedderOption;
    throw new OptionError(
      `episodes: no embedder ${describeValue(value)}; there are lexical, model, or a function ` +
        `from texts to vectors`,
    );
  },
  { words: embedderNames },
);

export const tools = custom<readonly unknown[]>('an array of tools', (name, value) => {
  if (Array.isArray(value)) return value;
  throw new OptionError(`${name} is ${describeValue(value)}, expected an array of tools`);
});
export const variables = custom<Readonly<Record<string, unknown>>>(
  'an object such as { enable_thinking: false }',
  (name, value) => {
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      return value as Record<string, unknown>;
    throw new OptionError(
      `${name} is ${describeValue(value)}, expected an object such as { enable_thinking: false }`,
    );
  },
);
