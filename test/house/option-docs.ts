// The parts of docs/ that follow from the tables of options. `npm run docs` writes them; docs.test.ts
// fails where they differ.
import { flagsOf } from '../../src/cli/flags.ts';
import { defaultOf, writtenFlag } from '../../src/cli/help.ts';
import { commands } from '../../src/cli/registry.ts';
import { pick, type Row, type Table } from '../../src/options/table.ts';
import { type OptionTable, optionTables } from '../../src/session/options.ts';

/** A part of a document, between two markers. */
interface Part {
  readonly file: string;
  readonly name: string;
  readonly text: string;
}

const code = (text: string) => (text === '' ? '' : `\`${text}\``);
const begin = (name: string) => `<!-- ${name}: written by npm run docs -->`;
const end = (name: string) => `<!-- end of ${name} -->`;

/** Rows of cells, the first of them the head, as prettier writes them. */
export function tableOf(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = cells[0].map((_, i) => Math.max(3, ...cells.map((row) => row[i].length)));
  const line = (row: readonly string[], fill = ' ') =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i], fill)).join(' | ')} |`;
  const [head, ...body] = cells;
  return [
    line(head),
    line(
      head.map(() => ''),
      '-',
    ),
    ...body.map((row) => line(row)),
  ].join('\n');
}

/** More words than this are told elsewhere, in words. */
const MOST_WORDS = 12;

function valuesOf({ kind }: Row<unknown>): string {
  if (kind.words && kind.words.length <= MOST_WORDS) return kind.words.map(code).join(', ');
  return kind.values;
}

const summaryOf = ({ flagMeans, summary }: Row<unknown>) =>
  flagMeans === false ? `false: ${summary}` : summary;

function defaultCell(row: Row<unknown>): string {
  if (row.isRequired) return 'none: it has to be given';
  return row.default === undefined ? (row.otherwise ?? '') : code(String(row.default));
}

function optionRows(table: Table): string[][] {
  return Object.entries(table).map(([name, row]) => [
    code(name),
    code(
      flagsOf({ [name]: row })
        .map(writtenFlag)
        .join(),
    ),
    valuesOf(row),
    defaultCell(row),
    summaryOf(row),
  ]);
}

function sectionOf({ title, takenBy, table }: OptionTable): string {
  const users = commands.filter((command) =>
    command.groups.some(
      (group) => group.title.startsWith(title) && flagsOf(group.table).length > 0,
    ),
  );
  const flags =
    users.length === 0
      ? ''
      : ` Flags of ${users.map(({ name }) => code(name)).join(', ')}: \`--help\` tells which.`;
  const head = ['option', 'flag', 'values', 'default', 'what it is'];
  return `### ${title}\n\nOptions of ${takenBy.replaceAll(/\w+\(\)/g, code)}.${flags}\n\n${tableOf([head, ...optionRows(table)])}`;
}

/** The flags that a command has for itself. */
function ownSection(): string {
  const rows = commands.flatMap(({ name, groups }) =>
    groups
      .filter(({ title }) => title === '')
      .flatMap(({ table }) => flagsOf(table))
      .map((flag) => [
        code(name),
        code(writtenFlag(flag)),
        flag.row.kind.isSwitch ? '' : valuesOf(flag.row),
        defaultOf(flag.row) ?? '',
        flag.row.summary,
      ]),
  );
  return `### Of one command\n\n${tableOf([['command', 'flag', 'values', 'default', 'what it is'], ...rows])}`;
}

function axisRows(): string[][] {
  const table = {
    ...optionTables.axes.table,
    ...pick(optionTables.memory.table, 'heads', 'layers'),
  };
  return Object.entries(table).map(([name, row]) => [code(name), valuesOf(row), row.summary]);
}

export const parts: readonly Part[] = [
  {
    file: 'docs/cli.md',
    name: 'options',
    text: [...Object.values(optionTables).map(sectionOf), ownSection()].join('\n\n'),
  },
  {
    file: 'docs/policies.md',
    name: 'axes',
    text: tableOf([['option', 'values', 'what it is'], ...axisRows()]),
  },
];

/** A document with its part as it should be. Throws where the markers are not there. */
export function withPart(document: string, { file, name, text }: Part): string {
  const [from, to] = [document.indexOf(begin(name)), document.indexOf(end(name))];
  if (from < 0 || to < from)
    throw new Error(`${file} has no part between ${begin(name)} and ${end(name)}`);
  return `${document.slice(0, from)}${begin(name)}\n\n${text}\n\n${document.slice(to)}`;
}
