// What an evaluation takes: what is measured on what, and the options of conversations, a few of
// which may be lists.
import type { EvalBudget } from '../eval/evaluate.ts';
import { datasetFormats } from '../eval/datasets/registry.ts';
import { OptionError } from '../errors.ts';
import * as kinds from '../options/kinds.ts';
import { asList, option, withDefault, without } from '../options/table.ts';
import { findPolicy, policies } from '../policy/registry.ts';
import { optionTables } from '../session/options.ts';
import type { ValuesOf } from './flags.ts';

const count = kinds.whole(1, Number.POSITIVE_INFINITY);
const policyNames = policies.map((p) => p.name);
const policy = kinds.custom<string>(
  'a name, or all',
  (_, value) => (value === 'all' ? 'all' : findPolicy(value as string).name),
  { words: [...policyNames, 'all'] },
);
const budget = kinds.custom<EvalBudget>('tokens, or a share', (name, value) => {
  const text = String(value);
  const [, part, whole] = (/^\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(text) ?? []).map(Number);
  if (part > 0 && part <= whole) return { share: part / whole };
  const tokens = Number(text);
  if (Number.isInteger(tokens) && tokens >= 1) return { tokens };
  throw new OptionError(
    `${name} is '${text}', expected tokens such as 256, or a share of the conversation such as 1/8`,
  );
});

const own = {
  data: option(kinds.filledText, {
    isRequired: true,
    flag: 'data FILE.jsonl',
    summary:
      'one conversation a line: {"turns": [{"line"}], "questions": [{"question", "answer"}]}; or ' +
      'LoCoMo, REALTALK, LongMemEval',
  }),
  format: option(kinds.oneOf(datasetFormats.map((f) => f.name)), {
    flag: 'format NAME',
    summary: 'what the file is',
    otherwise: 'recognised by its shape',
  }),
  policy: {
    ...asList(option(policy, { flag: 'policy NAME', summary: 'what is kept; all: each of them' })),
    isRequired: true as const,
  },
  budget: asList(
    option(budget, {
      flag: 'budget B',
      summary:
        'tokens kept per kv head, or a share of each conversation such as 1/8; policy full takes ' +
        'none',
    }),
  ),
  limit: option(count, { flag: 'limit N', summary: 'only the first N conversations' }),
  parts: option(count, {
    flag: 'parts N',
    summary:
      'add each conversation in N parts, asking in between: what was made early has to follow',
    otherwise: '1',
  }),
  processes: option(count, {
    default: 1,
    flag: 'processes N',
    summary: 'that share the work, each with the model',
  }),
  json: option(kinds.filledText, { flag: 'json OUT', summary: 'write results as JSON' }),
  html: option(kinds.filledText, {
    flag: 'html OUT',
    summary: 'write a report with plots, intervals and explanations',
  }),
};

const all = optionTables.memory.table;
const memory = {
  ...without(all, 'budget', 'policy'),
  heads: asList(all.heads),
  layers: asList(all.layers),
  cacheType: asList(all.cacheType),
  recall: asList(all.recall),
};
const load = {
  ...optionTables.load.table,
  threads: withDefault(
    optionTables.load.table.threads,
    1,
    'threads of each process; results are the same, what is promised grows by their scratch',
  ),
};

export const evalGroups = {
  own: { title: '', table: own },
  memory: { ...optionTables.memory, table: memory },
  axes: {
    ...optionTables.axes,
    title: 'Axes of a policy (not where it scores by a formula of its own, as keydiff)',
  },
  episodes: optionTables.episodes,
  load: { ...optionTables.load, table: load },
};

export type EvalValues = ValuesOf<typeof evalGroups>;

/** The policies that were named. */
export function namedPolicies({ own }: EvalValues): readonly string[] {
  return own.policy.includes('all') ? policyNames : own.policy;
}
