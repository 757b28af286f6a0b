// The privacy bench's figures as a part of docs/split.md.
import { type Guessed, attacks, codings, type PrivacyRun } from './guesses.ts';
import type { Interval } from '../../src/eval/bootstrap.ts';

const percent = (x: number) => String(Math.round(100 * x));
const cell = ({ mean, low, high }: Interval): string =>
  low === high ? percent(mean) : `${percent(mean)} (${percent(low)} to ${percent(high)})`;

const headings = codings.map((coding) => (/^\d$/.test(coding) ? `${coding} bits` : coding));

function tableOf(guesses: readonly Guessed[]): string[] {
  const rows = [...new Set(guesses.map(({ cut }) => cut))].flatMap((cut) =>
    attacks.flatMap((attack) => {
      const own = guesses.filter((one) => one.cut === cut && one.attack === attack);
      if (own.length === 0) return [];
      const cells = codings.map((coding) => own.find((one) => one.coding === coding));
      return `| ${cut} | ${attack} | ${cells.map((one) => (one ? cell(one.share) : '')).join(' | ')} |`;
    }),
  );
  return [
    `| cut | who guesses | ${headings.join(' | ')} |`,
    `| --- | --- | ${codings.map(() => '---').join(' | ')} |`,
    ...rows,
  ];
}

/** A table a text, with what saying always the same token guesses. */
export function privacyTables({ texts, guesses }: PrivacyRun): string {
  return texts
    .map(({ name, tokens, chance }) =>
      [
        `${name}: ${tokens} tokens; always saying the commonest guesses ${percent(chance)}%`,
        '',
        ...tableOf(guesses.filter(({ text }) => text === name)),
      ].join('\n'),
    )
    .join('\n\n');
}
