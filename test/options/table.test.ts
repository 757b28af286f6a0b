// Tables of options: types, checks and defaults that follow from rows.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as kinds from '../../src/options/kinds.ts';
import {
  asList,
  complete,
  option,
  type OptionsOf,
  pick,
  settle,
  withDefault,
  without,
} from '../../src/options/table.ts';
import { optionTables } from '../../src/session/options.ts';

const table = {
  /** Where it goes. */
  out: option(kinds.filledText, { isRequired: true, flag: 'out FILE', summary: 'a file' }),
  /** How many. Default 3. */
  count: option(kinds.either(kinds.whole(1, 9), 'auto'), { default: 3, summary: 'how many' }),
  mode: option(kinds.oneOf(['fast', 'slow', 2]), { summary: 'how' }),
  onDone: option(kinds.callback<(n: number) => void>(), { summary: 'called at the end' }),
};
interface Options extends OptionsOf<typeof table> {}

const test = suite('tables of options');
const refused = (work: () => unknown, pattern: RegExp) =>
  assert.throws(work, (e: Error) => e.name === 'OptionError' && pattern.test(e.message));

test('types follow from rows', () => {
  const good: Options = { out: 'x', count: 'auto', mode: 2, onDone: (n) => void n.toFixed() };
  // @ts-expect-error: out is required
  const missing: Options = { count: 3 };
  // @ts-expect-error: there is no such option
  const unknown: Options = { out: 'x', cout: 3 };
  // @ts-expect-error: another word
  const word: Options = { out: 'x', mode: 'slwo' };
  // @ts-expect-error: a text is no count
  const kind: Options = { out: 'x', count: 'three' };
  // @ts-expect-error: a default is of the row's kind
  option(kinds.whole(0, 9), { default: 'auto', summary: '' });
  const { count, mode } = settle('make', good, table);
  // what has a default is there, what has none may not be
  const there: number | 'auto' = count;
  // @ts-expect-error: mode may be undefined
  const perhaps: 'fast' | 'slow' | 2 = mode;
  assert.ok([missing, unknown, word, kind, there, perhaps]);
});

test('what is given is checked, what is not has its default', () => {
  assert.equal(settle('make', { out: 'x' }, table), { out: 'x', count: 3 });
  assert.equal(Object.keys(settle('make', { mode: 'fast', out: 'x', count: 5 }, table)), [
    'mode',
    'out',
    'count',
  ]);
  refused(() => settle('make', {} as Options, table), /^out is missing: give a text$/);
  refused(
    () => settle('make', { out: 'x', coun: 1 } as Options, table),
    /^make: no option 'coun' \(did you mean count\?\); there are out, count, mode, onDone$/,
  );
  refused(
    () => settle('make', { out: 'x', count: 0 }, table),
    /^count is 0, expected a whole number from 1 to 9, or 'auto'$/,
  );
  refused(
    () => settle('make', { out: 'x', mode: 'fasst' as never }, table, 'm.'),
    /^m\.mode is 'fasst' \(did you mean fast\?\), expected fast or slow or 2$/,
  );
  refused(
    () => settle('make', { out: 'x', onDone: 5 as never }, table),
    /^onDone is 5, expected a f/,
  );
  refused(() => settle('make', { out: 'x', count: null as never }, table), /^count is null/);
  // others stand among them
  assert.equal(complete({ count: 4, other: 1 } as OptionsOf<object>, pick(table, 'count')), {
    count: 4,
  });
});

test('tables of other commands are made of rows', () => {
  assert.equal(Object.keys(without(table, 'out', 'mode')), ['count', 'onDone']);
  assert.equal(settle('x', undefined, { out: withDefault(table.out, 'y') }), { out: 'y' });
  const list = asList(table.count);
  assert.equal(list.default, [3]);
  assert.equal(list.kind.check('--count', list.kind.fromText(' 4, auto,')), [4, 'auto']);
  refused(() => list.kind.check('--count', list.kind.fromText('4,x')), /^--count is 'x'/);
});

test('every default is of its kind, and its flag says it', () => {
  for (const { title, table: rows } of Object.values(optionTables))
    for (const [name, row] of Object.entries(rows)) {
      const value = 'default' in row ? row.default : undefined;
      if (value === undefined) continue;
      const checked = row.kind.check(name, value);
      // a policy's name is read as the policy
      if (name !== 'policy') assert.equal(checked, value, `${title}: ${name}`);
      if (!('flag' in row) || row.flag === undefined || row.kind.isSwitch) continue;
      assert.equal(row.kind.fromText(String(value)), value, `${title}: ${name}`);
    }
});

test('numbers of the command line are numbers, and what is none is refused as it was written', () => {
  for (const [kind, text, value] of [
    [kinds.whole(0, 9), ' 7 ', 7],
    [kinds.whole(0, 1e6), '1e3', 1000],
    [kinds.number(0, 1), '.5', 0.5],
    [kinds.oneOf([1, 2, 'auto']), '2', 2],
    [kinds.either(kinds.whole(1, 9), 'auto'), 'auto', 'auto'],
    [kinds.bytes('2GB'), '1KB', 1024],
  ] as const)
    assert.equal(kind.check('--n', kind.fromText(text)), value, text);
  for (const [kind, text] of [
    [kinds.whole(1, 9), '0'],
    [kinds.whole(1, 9), '1.5'],
    [kinds.whole(0, 9), ''],
    [kinds.whole(0, 9), 'Infinity'],
    [kinds.number(0, 1), '2'],
    [kinds.number(0, Number.POSITIVE_INFINITY), 'NaN'],
    [kinds.oneOf([1, 2]), '3'],
    [kinds.bytes('2GB'), '12 parsecs'],
    [kinds.filledText, ''],
  ] as const)
    refused(() => kind.check('--n', kind.fromText(text)), new RegExp(`^--n is ('${text}'|empty)`));
});

test.run();
