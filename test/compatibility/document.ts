// The document: a table a group of features, a row a model, and the reasons of what is refused.
import { tableOf } from '../house/option-docs.ts';
import { features, groups } from './features.ts';
import type { Feature, Outcome } from './outcome.ts';

/** A model, and what became of each feature that was tried, by its name. */
export interface Tried {
  readonly architecture: string;
  readonly name: string;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

const WORKS = 'yes';

const intro = [
  '# Compatibility',
  'What works on which architecture. Each cell is the outcome of a trial on a small random ' +
    'model: _yes_ where a check held (below each table), or the number of the reason why it is refused. ' +
    'Reasons that name a number (heads of 20 dimensions, say) are those of the file that was ' +
    'tried. An empty cell was not tried.',
  'Written by `node build/js/test/compatibility/run.js --write docs/compatibility.md`, which ' +
    'tries everything on every fixture (files and folders: those; `--only WORD`: some of it; ' +
    '`--device webgpu`: that column, which takes minutes in software) and keeps what it did not ' +
    'try. `npm test` holds some of it against this page.',
].join('\n\n');

/** A refusal without what differs from feature to feature. */
export const reasonIn = (reason: string, { name }: Pick<Feature, 'name'>): string =>
  reason.replaceAll(`'${name}'`, 'of this kind');

/** What a model's row is called: its architecture, and its file where that has another name. */
export const labelOf = ({ architecture, name }: Pick<Tried, 'architecture' | 'name'>): string =>
  name.replace(/-f32$/, '') === architecture ? architecture : `${architecture} (${name})`;

/** What a cell says: 'yes', or the reason. Throws where something neither works nor is refused. */
export function cellOf({ name, outcomes }: Tried, feature: Feature): string {
  const outcome = outcomes.get(feature.name);
  if (outcome?.kind === 'fault') throw new Error(`${name}, ${feature.name}: ${outcome.what}`);
  return outcome?.kind === 'refused' ? reasonIn(outcome.reason, feature) : WORKS;
}

/** What cells say, by row and feature: '' where nothing was tried. */
export type Cells = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Cells as they were, with those that were tried now. */
export function withTried(before: Cells, all: readonly Tried[]): Cells {
  const cells = new Map(before);
  for (const tried of all) {
    const row = new Map(before.get(labelOf(tried)));
    for (const feature of features)
      if (tried.outcomes.has(feature.name)) row.set(feature.name, cellOf(tried, feature));
    cells.set(labelOf(tried), row);
  }
  return cells;
}

export function documentOf(cells: Cells): string {
  const reasons: string[] = [];
  const written = (cell = ''): string => {
    if (cell === '' || cell === WORKS) return cell;
    if (!reasons.includes(cell)) reasons.push(cell);
    return `${reasons.indexOf(cell) + 1}`;
  };
  const labels = [...cells.keys()].sort((a, b) => a.localeCompare(b, 'en'));
  const sections = Object.entries(groups).map(([group, title]) => {
    const own = features.filter((feature) => feature.group === group);
    const head = ['architecture', ...own.map(({ name }) => name)];
    const rows = labels.map((label) => [
      label,
      ...own.map(({ name }) => written(cells.get(label)!.get(name))),
    ]);
    const checks = own.map(({ name, promise }) => `- ${name}: ${promise}`);
    return `## ${title}\n\n${tableOf([head, ...rows])}\n\n${checks.join('\n')}`;
  });
  const list = reasons.map((reason, i) => `${i + 1}. ${reason}`);
  return `${[intro, ...sections, '## Reasons', list.join('\n')].join('\n\n')}\n`;
}

/** What a document says of each row and feature: 'yes', a reason, or '' where nothing was tried. */
export function readDocument(document: string): Cells {
  const rows = new Map<string, Map<string, string>>();
  const [tables, list] = document.split('## Reasons');
  const reasons = [...list.matchAll(/^\d+\. (.*)$/gm)].map(([, reason]) => reason);
  for (const section of tables.split('\n## ').slice(1)) {
    const [head, , ...body] = section
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    for (const [label, ...cells] of body) {
      const row = rows.get(label) ?? new Map<string, string>();
      for (const [i, cell] of cells.entries())
        row.set(head[i + 1], /^\d+$/.test(cell) ? reasons[Number(cell) - 1] : cell);
      rows.set(label, row);
    }
  }
  return rows;
}
