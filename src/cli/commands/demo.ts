// recollect demo, `npm start`: the main job on the bundled model and conversations, as a table and
// a report.
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { Model } from '../../engine/model.ts';
import type { Dialogue } from '../../eval/datasets/dataset.ts';
import { readDialogues } from '../../eval/datasets/registry.ts';
import { dialogueTokens } from '../../eval/evaluate.ts';
import { type ReportData, renderFigures, renderReport } from '../../eval/report.ts';
import { resultTable } from '../../eval/table.ts';
import type { NextStep } from '../../eval/page.ts';
import * as kinds from '../../options/kinds.ts';
import { option } from '../../options/table.ts';
import { optionTables } from '../../session/options.ts';
import { defineCommand, type Terminal, UsageError } from '../command.ts';
import { BLOCK, type Measurement, measurePolicy, SHARE } from '../demo-measure.ts';
import { checkWritable, readText, writeText } from '../files.ts';
import { describeKernels, loadWithProgress, type LoadChoices, TINY } from '../load.ts';
import { pathOf, shortPathOf } from '../package.ts';
import { fold, LINE, quoted, startedAs } from '../words.ts';

const shown = [
  'full',
  'streaming-llm',
  'snapkv',
  'kvzip',
  'keydiff',
  'expected-attention',
  'epicache',
];

const own = {
  conversations: option(kinds.whole(1, Number.POSITIVE_INFINITY), {
    default: 2,
    flag: 'conversations N',
    summary: 'how many of models/conv-2k.jsonl',
  }),
  out: option(kinds.filledText, {
    default: 'recollect-report.html',
    flag: 'out FILE',
    summary: 'where the report goes',
  }),
  figures: option(kinds.filledText, {
    flag: 'figures DIR',
    summary: 'write the plots as SVG files too',
  }),
};

export const demo = defineCommand({
  name: 'demo',
  summary: 'policies compared on the bundled conversations, with a report (npm start)',
  groups: { own: { title: '', table: own }, load: optionTables.load },
  intro: `
Takes bundled conversations of some 2,100 tokens in under each of
${fold(
  `${shown.join(', ')}, keeping 1/${SHARE} of them, asks their questions, prints a table and ` +
    'writes a report with plots, to be opened in a browser.',
  LINE - 1,
)}`,
  async run(_, { own: { conversations, out, figures }, load }, terminal) {
    const data = pathOf('models/conv-2k.jsonl');
    const all = readDialogues(await readText(data), data);
    if (conversations > all.length) {
      throw new UsageError(
        `--conversations is ${conversations}, expected at most ${all.length}: there are no more`,
      );
    }
    await checkWritable(out);
    if (figures !== undefined) await checkWritable(`${figures}/accuracy.svg`);
    const dialogues = all.slice(0, conversations);
    const model = await loadWithProgress(pathOf(TINY), terminal, load);
    try {
      announce(model, dialogues, load, terminal);
      const measured = await measureShown(model, dialogues, terminal);
      const report = reportOf(model, dialogues, measured);
      await writeText(out, renderReport(report));
      if (figures !== undefined) {
        for (const [name, svg] of Object.entries(renderFigures(report)))
          await writeText(`${figures}/${name}.svg`, svg);
      }
      tellNext(out, report.next, terminal);
    } finally {
      model.dispose();
    }
  },
});

function announce(
  model: Model,
  dialogues: readonly Dialogue[],
  load: LoadChoices,
  terminal: Terminal,
): void {
  const tokens = dialogues.map((d) => dialogueTokens(model, d));
  const questions = dialogues.reduce((n, d) => n + d.questions.length, 0);
  const taken =
    `${tokens.length} conversation${tokens.length === 1 ? '' : 's'} of ` +
    `${[...new Set(tokens)].join(', ')} tokens`;
  terminal.print(
    `recollect: ${taken}, taken in by blocks of ${BLOCK},\nkeeping 1/${SHARE} of the cache ` +
      `rows; then ${questions} questions about all of them.\n` +
      fold(`${model.config.name}, ${describeKernels(model, load)}.\n`, LINE),
  );
}

/** Measures the policies, and prints the table; of those that are done, where it is interrupted. */
async function measureShown(
  model: Model,
  dialogues: readonly Dialogue[],
  terminal: Terminal,
): Promise<Measurement[]> {
  const measured: Measurement[] = [];
  const tell = () => {
    const results = measured.map((m) => m.result);
    terminal.print(`\n${resultTable(results, terminal.columns)}\n`);
  };
  try {
    for (const policy of shown) {
      measured.push(await measurePolicy(model, dialogues, policy, terminal));
      const { accuracy } = measured[measured.length - 1].result;
      terminal.progress('');
      terminal.note(`${policy.padEnd(18)} ${(100 * accuracy).toFixed(1).padStart(5)}% right`);
    }
  } catch (error) {
    if (terminal.signal.aborted && measured.length > 0) tell();
    throw error;
  }
  tell();
  return measured;
}

function reportOf(
  model: Model,
  dialogues: readonly Dialogue[],
  measured: readonly Measurement[],
): ReportData & { readonly next: readonly NextStep[] } {
  return {
    title: 'A long conversation in a fixed amount of memory',
    model: `${model.config.name} (${model.config.layers} layers, ${model.backend.build} kernels)`,
    machine: `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`,
    command: 'npm start',
    results: measured.map((m) => m.result),
    budgetText: `1/${SHARE}`,
    sweep: measured.map(({ policy, points }) => ({ policy, points })),
    sweepQuestions: dialogues[0].questions.length,
    traces: measured.map((m) => m.trace),
    traceTokens: dialogueTokens(model, dialogues[0]),
    next: nextSteps(),
  };
}

function tellNext(out: string, next: readonly NextStep[], terminal: Terminal): void {
  terminal.print(
    `The report, with plots (open it in a browser):\n  ${pathToFileURL(out).href}\n\nWhat ` +
      `to do next:`,
  );
  for (const { what, command } of next)
    terminal.print(
      `- ${what}${command === undefined ? '' : `\n    ${command.replaceAll('\n', '\n    ')}`}`,
    );
}

/** What one can do after this; commands are cut so that they fit into a terminal. */
function nextSteps(): NextStep[] {
  const start = startedAs();
  const tiny = quoted(shortPathOf(TINY));
  return [
    {
      what: 'Talk with a model of yours (a .gguf file: Llama, Qwen, Gemma, LFM2, Granite, ...):',
      command: `${start} chat YOUR-MODEL.gguf --budget 256MB`,
    },
    {
      what: 'Talk with the bundled one, which knows one kind of text (models/README.md):',
      command: `${start} chat ${tiny} --budget 8MB`,
    },
    {
      what: 'Measure policies at other budgets, on longer conversations, or on your own:',
      command:
        `${start} eval ${tiny} \\\n  --data ` +
        `${quoted(shortPathOf('models/conv-4k.jsonl'))} --policy keydiff,epicache \\\n  --budget ` +
        `1/12 --episodes 8 --medoids 8 --segment 8 --html report.html`,
    },
    { what: 'Use it in a program: README.md. Commands: docs/cli.md, policies: docs/policies.md.' },
  ];
}
