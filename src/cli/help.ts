// What --help says of a command, from its tables of options.
import type { Row } from '../options/table.ts';
import { type Flag, flagsOf, type Group } from './flags.ts';
import { hung } from './words.ts';

/** What help tells of a command. */
interface Told {
  readonly name: string;
  readonly operands: readonly string[];
  readonly intro: string;
  readonly groups: readonly Group[];
}

export function renderHelp({ name, operands, intro, groups }: Told): string {
  const flags = groups.flatMap((group) => flagsOf(group.table));
  const width = Math.max(...flags.map((flag) => writtenFlag(flag).length));
  const required = flags.filter(({ row }) => row.isRequired).map(writtenFlag);
  const usage = ['usage: recollect', name, ...operands, ...required, '[--option VALUE ...]'];
  const sections = groups.flatMap(({ title, table }) => {
    const lines = flagsOf(table).map((flag) => describeFlag(flag, width));
    if (lines.length === 0) return [];
    return [[...(title === '' ? [] : [`${title}:`]), ...lines].join('\n')];
  });
  return [wrapped(usage), intro.trim(), ...sections].join('\n\n');
}

/** Letters of a line of help. */
const COLUMNS = 80;

/** Words of a line, which goes on below where it is too long. */
function wrapped([first, ...words]: readonly string[]): string {
  const lines = [first];
  for (const word of words) {
    const longer = `${lines[lines.length - 1]} ${word}`;
    if (longer.length <= COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(`       ${word}`);
  }
  return lines.join('\n');
}

/** '--block N', '--[no-]instructions'. */
export function writtenFlag({ name, operand, row }: Flag): string {
  // what is on or off by itself can be turned the other way too
  const isOpen = row.kind.isSwitch && row.otherwise !== undefined;
  return `--${isOpen ? '[no-]' : ''}${name}${operand === '' ? '' : ` ${operand}`}`;
}

function describeFlag(flag: Flag, width: number): string {
  const { row } = flag;
  const remarks = [row.kind.words?.join(', '), defaultOf(row) && `default: ${defaultOf(row)}`];
  const told = remarks.filter((remark) => remark !== undefined).join('; ');
  const mark = row.kind.isList ? '* ' : '  ';
  return hung(
    `${mark}${writtenFlag(flag).padEnd(width)}  `,
    told === '' ? row.summary : `${row.summary} (${told})`,
  );
}

/** The default, in words; undefined where there is none to tell of. */
export function defaultOf({ kind, default: value, otherwise }: Row<unknown>): string | undefined {
  if (value === undefined) return otherwise;
  if (kind.isSwitch) return undefined;
  return Array.isArray(value) ? value.join(',') : String(value);
}
