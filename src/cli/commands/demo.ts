// recollect demo, `npm start`: the main job on the bundled model and conversations, as a table and
// a report.
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { readDialogues } from '../../eval/datasets/registry.ts';
import { dialogueTokens, type EvalBudget, evaluate } from '../../eval/evaluate.ts';
import type { EvalResult } from '../../eval/results.ts';
import {
  type CacheTrace,
  type ReportData,
  renderFigures,
  renderReport,
} from '../../eval/report.ts';
import { resultTable } from '../../eval/table.ts';
import type { NextStep } from '../../eval/page.ts';
import { architectures } from '../../model/arch/registry.ts';
import { type Command, UsageError, wholeNumber } from '../command.ts';
import { checkWritable, readText, writeText } from '../files.ts';
import { describeKernels, loadWithProgress, TINY } from '../load.ts';
import { pathOf, shortPathOf } from '../package.ts';
import { fold, quoted, startedAs } from '../words.ts';

const shown = [
  'full',
  'streaming-llm',
  'snapkv',
  'kvzip',
  'keydiff',
  'expected-attention',
  'epicache',
];
const SHARE = 8;
const SWEEP = [4, 16];
const BLOCK = 256;
const EPISODES = { count: 8, medoids: 8, segmentTurns: 8 };

export const demo: Command = {
  name: 'demo',
  summary: 'policies compared on the bundled conversations, with a report (npm start)',
  operands: [],
  options: {
    conversations: { type: 'string' },
    out: { type: 'string' },
    figures: { type: 'string' },
  },
  help: `
usage: recollect demo [--conversations 2] [--out recollect-report.html]
                      [--figures DIR]

Takes bundled conversations of some 2,100 tokens in under each of
${fold(`${shown.join(', ')}, keeping 1/${SHARE} of them, asks their questions, prints a table and writes a report with plots, to be opened in a browser.`, 78)}

  --conversations N   how many of models/conv-2k.jsonl (2)
  --out FILE          where the report goes (recollect-report.html)
  --figures DIR       write the plots as SVG files too`,
  async run(_, values, terminal) {
    const out = typeof values.out === 'string' ? values.out : 'recollect-report.html';
    const data = pathOf('models/conv-2k.jsonl');
    const all = readDialogues(await readText(data), data);
    const count = wholeNumber('conversations', values.conversations, 1) ?? 2;
    if (count > all.length) {
      throw new UsageError(
        `--conversations is ${count}, expected at most ${all.length}: there are no more`,
      );
    }
    await checkWritable(out);
    if (typeof values.figures === 'string') await checkWritable(`${values.figures}/accuracy.svg`);
    const dialogues = all.slice(0, count);
    const model = await loadWithProgress(pathOf(TINY), terminal);
    try {
      const tokens = dialogues.map((d) => dialogueTokens(model, d));
      const questions = dialogues.reduce((n, d) => n + d.questions.length, 0);
      const taken =
        `${tokens.length} conversation${tokens.length === 1 ? '' : 's'} of ` +
        `${[...new Set(tokens)].join(', ')} tokens`;
      terminal.print(
        `recollect: ${taken}, taken in by blocks of ${BLOCK},\nkeeping 1/${SHARE} of the cache ` +
          `rows; then ${questions} questions about all of them.\n` +
          fold(`${model.config.name}, ${describeKernels(model)}.\n`, 79),
      );
      const results: EvalResult[] = [];
      const sweep: { policy: string; points: [number, number][] }[] = [];
      const traces: CacheTrace[] = [];
      const run = async (policy: string) => {
        const points: [number, number][] = [];
        const trace = {
          policy,
          points: [] as [number, number][],
          promisedCacheBytes: 0,
          kept: [] as Int32Array[],
        };
        const layers = new Map<number, readonly Int32Array[]>();
        const measure = (parts: typeof dialogues, budget: EvalBudget, watch: boolean) => {
          let before = 0;
          return evaluate(
            model,
            parts,
            { policy, budget, options: { blockSize: BLOCK, episodes: EPISODES } },
            {
              signal: terminal.signal,
              onProgress: (done, total) =>
                terminal.progress(`${policy}: ${done} of ${total} questions`),
              onConversation: (index, memory) => {
                if (watch && index === 0) trace.promisedCacheBytes = memory.promisedCacheBytes;
              },
              onBlock: (index, seen, bytes) => {
                if (!watch || index > 0) return;
                // the next episode begins at the first token again
                if (seen <= before) trace.points = [];
                before = seen;
                trace.points.push([seen, bytes]);
              },
              onKept: (index) => (layer, heads) => {
                if (watch && index === 0) layers.set(layer, heads);
              },
            },
          );
        };
        const result = await measure(dialogues, { share: 1 / SHARE }, true);
        results.push(result);
        const first = result.answers.filter((a) => a.conversation === dialogues[0].id);
        const accuracy = first.filter((a) => a.correct).length / first.length;
        if (policy === 'full')
          points.push(...[SHARE, ...SWEEP].map((s): [number, number] => [1 / s, accuracy]));
        else {
          points.push([1 / SHARE, accuracy]);
          for (const s of SWEEP)
            points.push([
              1 / s,
              (await measure(dialogues.slice(0, 1), { share: 1 / s }, false)).accuracy,
            ]);
        }
        trace.kept = [...layers.entries()]
          .sort((a, b) => a[0] - b[0])
          .flatMap(([, heads]) => heads);
        traces.push(trace);
        sweep.push({ policy, points });
        terminal.progress('');
        terminal.note(
          `${policy.padEnd(18)} ${(100 * result.accuracy).toFixed(1).padStart(5)}% right`,
        );
      };
      try {
        for (const policy of shown) await run(policy);
      } catch (error) {
        if (terminal.signal.aborted && results.length > 0)
          terminal.print(`\n${resultTable(results, terminal.columns)}\n`);
        throw error;
      }
      terminal.print(`\n${resultTable(results, terminal.columns)}\n`);
      const next = nextSteps();
      const report: ReportData = {
        title: 'A long conversation in a fixed amount of memory',
        model:
          `${model.config.name} (${model.config.layers} layers, ${model.backend.build} ` +
          `kernels)`,
        machine: `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`,
        command: 'npm start',
        results,
        budgetText: `1/${SHARE}`,
        sweep,
        sweepQuestions: dialogues[0].questions.length,
        traces,
        traceTokens: tokens[0],
        next,
      };
      await writeText(out, renderReport(report));
      if (typeof values.figures === 'string') {
        for (const [name, svg] of Object.entries(renderFigures(report)))
          await writeText(`${values.figures}/${name}.svg`, svg);
      }
      terminal.print(
        `The report, with plots (open it in a browser):\n  ${pathToFileURL(out).href}\n\nWhat ` +
          `to do next:`,
      );
      for (const { what, command } of next)
        terminal.print(
          `- ${what}${command === undefined ? '' : `\n    ${command.replaceAll('\n', '\n    ')}`}`,
        );
    } finally {
      model.dispose();
    }
  },
};

/** What one can do after this; commands are cut so that they fit into a terminal. */
function nextSteps(): NextStep[] {
  const start = startedAs();
  const tiny = quoted(shortPathOf(TINY));
  const known = architectures.map((a) => a.name).join(', ');
  return [
    {
      what: `Talk with a model of yours (a .gguf file: ${known}):`,
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
