// Flags that follow from tables of options.
import { parseArgs } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Command, defineCommand, type Terminal } from '../../src/cli/command.ts';
import { flagsOf, type Groups, parseConfig, type Raw, readGroups } from '../../src/cli/flags.ts';
import { commands } from '../../src/cli/registry.ts';
import * as kinds from '../../src/options/kinds.ts';
import { asList, option } from '../../src/options/table.ts';
import { optionTables } from '../../src/session/options.ts';

const test = suite('flags');

const own = {
  out: option(kinds.filledText, { isRequired: true, flag: 'out FILE', summary: 'where it goes' }),
  size: asList(option(kinds.whole(1, 9), { default: 2, flag: 'size N', summary: 'how large' })),
  keep: option(kinds.flag, { default: true, flag: 'forget', flagMeans: false, summary: 'forget' }),
  quiet: option(kinds.flag, { flag: 'quiet', summary: 'say less', otherwise: 'in pipes' }),
  onDone: option(kinds.callback<() => void>(), { summary: 'no flag' }),
};
const groups = { own: { title: '', table: own } };

const parse = (args: string[]): Raw =>
  parseArgs({ args, options: parseConfig(Object.values(groups)), allowNegative: true }).values;
const read = (...args: string[]) => readGroups(groups, parse(args)).own;

/** A command that keeps what it was given. */
function recorder<G extends Groups>(some: G): { command: Command; given: () => unknown } {
  let given: unknown;
  const command = defineCommand({
    name: 'make',
    summary: 'makes',
    operands: ['INPUT'],
    intro: 'Makes something.',
    groups: some,
    async run(operands, values) {
      given = [...operands, values];
    },
  });
  return { command, given: () => given };
}

test('flags are the options that they stand for', () => {
  assert.equal(read('--out', 'x'), {
    out: 'x',
    size: [2],
    keep: true,
    quiet: undefined,
    onDone: undefined,
  });
  const given = read('--out=x', '--size', '1,3', '--size', '4', '--forget', '--no-quiet');
  assert.equal(given, { ...given, size: [1, 3, 4], keep: false, quiet: false });
  assert.is(read('--out=x', '--no-forget').keep, true);
});

test('what is wrong with them is an error of usage, in the words of the option', async () => {
  const { command } = recorder(groups);
  for (const [args, pattern] of [
    [[], /^--out FILE is missing$/],
    [['--out', ''], /^--out is empty, expected a text/],
    [['--out', 'x', '--size', '1,10'], /^--size is '10', expected a whole number from 1 to 9$/],
  ] as const) {
    const error = await command.run(['i'], parse([...args]), {} as Terminal).catch((e) => e);
    assert.is(error.name, 'UsageError');
    assert.match(error.message, pattern);
  }
  assert.throws(() => parseConfig([groups.own, groups.own]), /two options have the flag --out/);
});

test('a row is all that a new option takes', async () => {
  const { command, given } = recorder({
    own: {
      title: 'New',
      table: {
        depth: option(kinds.oneOf(['flat', 'deep']), {
          default: 'flat',
          flag: 'depth KIND',
          summary: 'how far it goes',
        }),
      },
    },
  });
  assert.match(command.help, /^usage: recollect make INPUT \[--option VALUE \.\.\.\]$/m);
  assert.match(
    command.help,
    /^New:\n {2}--depth KIND {2}how far it goes \(flat, deep; default: flat\)$/m,
  );
  assert.equal(command.options, { depth: { type: 'string' } });
  await command.run(['i'], { depth: 'deep' }, {} as Terminal);
  assert.equal(given(), ['i', { own: { depth: 'deep' } }]);
});

test('help tells every flag, what is required, what may be a list, what has a no- form', () => {
  const { help } = recorder(groups).command;
  assert.match(help, /^usage: recollect make INPUT --out FILE \[/);
  assert.match(help, /^\* --size N {6}how large \(default: 2\)$/m);
  assert.match(help, /^ {2}--forget {6}forget$/m);
  assert.match(help, /^ {2}--\[no-\]quiet {2}say less \(default: in pipes\)$/m);
  for (const command of commands)
    for (const { name } of command.groups.flatMap((group) => flagsOf(group.table)))
      assert.match(command.help, new RegExp(`^[ *] --(\\[no-\\])?${name}( |$)`, 'm'));
});

/** Flags that people have in their scripts. */
const known: Readonly<Record<string, string>> = {
  demo: 'conversations out figures',
  chat:
    'budget policy block context heads temperature top-k top-p min-p seed max-tokens independent ' +
    'cache-type recall episodes threads pipeline system verbose',
  eval:
    'data format policy* budget* block heads* layers* episodes medoids segment embedder ' +
    'answer-from store json html processes threads limit parts seed sinks positions instructions ' +
    'alpha safeguard cache-type* prompt-tokens recall* observe window aggregate pool value stages',
  episodes: 'data format embedder model episodes segment restarts seed limit json',
  logits: 'text top build threads pipeline',
  profile: 'text json',
  score: 'tensors policy* build',
};

test('flags go on to be understood', () => {
  for (const [name, flags] of Object.entries(known)) {
    const { options } = commands.find((c) => c.name === name)!;
    for (const flag of flags.split(' ')) {
      const found = options[flag.replace('*', '')];
      assert.ok(found, `${name} --${flag}`);
      assert.is(found.multiple ?? false, flag.endsWith('*'), `${name} --${flag}`);
    }
  }
});

test('commands that load a model, or open a conversation, take all that there is to say', () => {
  const names = (...tables: (keyof typeof optionTables)[]) =>
    tables.flatMap((name) => flagsOf(optionTables[name].table)).map((flag) => flag.name);
  // those that run no model, or half of one
  const halves = names('load').filter((n) => !['adapter', 'weights', 'pipeline'].includes(n));
  const few: Readonly<Record<string, readonly string[]>> = {
    score: ['build'],
    merge: ['adapter'],
    'split-serve': halves,
    'split-train': halves,
    'split-generate': halves,
  };
  for (const { name, options } of commands) {
    const wanted = few[name] ?? names('load');
    const all = ['chat', 'eval'].includes(name) ? names('memory', 'axes', 'episodes') : [];
    for (const flag of [...wanted, ...all]) assert.ok(options[flag], `${name} --${flag}`);
  }
});

test.run();
