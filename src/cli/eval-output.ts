// The results of an evaluation: a table, JSON, a page, and what to do next.
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { NextStep } from '../eval/page.ts';
import type { EvalResult } from '../eval/results.ts';
import { compare } from '../eval/sweep.ts';
import { renderSweep } from '../eval/sweep-report.ts';
import { resultTable } from '../eval/table.ts';
import type { Terminal } from './command.ts';
import type { EvalValues } from './eval-options.ts';
import { type Evaluation, removeJournal } from './eval-run.ts';
import { writeText } from './files.ts';
import { buildOf } from './load.ts';
import { quoted, startedAs } from './words.ts';

export async function writeResults(
  { input, model }: Evaluation,
  results: readonly EvalResult[],
  { own: { data, json, html } }: EvalValues,
  terminal: Terminal,
): Promise<void> {
  const build = buildOf(model);
  const report = { model: input, data, build, results, comparisons: compare(results) };
  if (json) {
    await writeText(json, `${JSON.stringify(report, null, 1)}\n`);
    await removeJournal(json);
    terminal.note(`written to ${json}`);
  }
  if (html) {
    const machine =
      `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}, ` + `${build} kernels`;
    const command = [startedAs(), ...process.argv.slice(2).map(quoted)].join(' ');
    const next = nextSteps(input, results);
    await writeText(html, renderSweep({ ...report, machine, command, next }));
    terminal.note(`written to ${html}: open it in a browser, ${pathToFileURL(html).href}`);
  }
  terminal.print(resultTable(results, terminal.columns));
  if (!html)
    terminal.note('With --html FILE there are plots, intervals, and where questions were lost.');
}

/** What one can do with the results. */
function nextSteps(model: string, results: readonly EvalResult[]): NextStep[] {
  const start = startedAs();
  const [best] = results.filter((r) => r.policy !== 'full').sort((a, b) => b.accuracy - a.accuracy);
  const talk = best && [
    {
      what: `Talk with the model under the policy that answered best, ${best.policy}:`,
      command: `${start} chat ${quoted(model)} --policy ${best.policy} --budget ${best.budget}`,
    },
  ];
  return [
    ...(talk ?? []),
    {
      what:
        'Measure others: --policy all, --budget 1/8,1/12,1/16, --heads uniform,adaptive; ' +
        'all options:',
      command: `${start} eval --help`,
    },
    {
      what:
        'What the policies do: docs/policies.md. How these numbers come about: ' +
        'docs/evaluation.md.',
    },
  ];
}
