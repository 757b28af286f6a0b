// recollect demo, `npm start`: the main job on the bundled model and conversations, as a table and a report.
import { cpus } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runtime } from '#runtime';
import { readDialogues } from '../../eval/datasets/registry.ts';
import { dialogueTokens, type EvalBudget, type EvalResult, evaluate } from '../../eval/evaluate.ts';
import { type CacheTrace, type ReportData, renderFigures, renderReport } from '../../eval/report.ts';
import { resultTable } from '../../eval/table.ts';
import { type Command, wholeNumber } from '../command.ts';
import { loadWithProgress, readText } from '../load.ts';

/** The package's own folder: this file is build/js/src/cli/commands/demo.js in it. */
const home = new URL('../../../../../', import.meta.url);
const pathOf = (name: string) => fileURLToPath(new URL(name, home));

const shown = ['full', 'streaming-llm', 'snapkv', 'kvzip', 'keydiff', 'expected-attention', 'epicache'];
const SHARE = 8;
const SWEEP = [4, 16];
const BLOCK = 256;
const EPISODES = { count: 8, medoids: 8, segmentTurns: 8 };

export const demo: Command = {
  name: 'demo',
  summary: 'policies compared on the bundled conversations, with a report (npm start)',
  operands: [],
  options: { conversations: { type: 'string' }, out: { type: 'string' }, figures: { type: 'string' } },
  help: `
usage: recollect demo [--conversations 2] [--out recollect-report.html] [--figures DIR]

Takes bundled conversations of some 2,100 tokens in under each of ${shown.join(', ')},
keeping 1/${SHARE} of them, asks their questions, prints a table and writes a report with plots.

  --conversations N   how many of models/conv-2k.jsonl (2)
  --out FILE          where the report goes (recollect-report.html)
  --figures DIR       write the plots as SVG files too`,
  async run(_, values, terminal) {
    const count = wholeNumber('conversations', values.conversations, 1) ?? 2;
    const out = typeof values.out === 'string' ? values.out : 'recollect-report.html';
    const data = pathOf('models/conv-2k.jsonl');
    const dialogues = readDialogues(await readText(data), data).slice(0, count);
    const model = await loadWithProgress(pathOf('models/recollect-tiny.gguf'), terminal);
    try {
      const tokens = dialogues.map((d) => dialogueTokens(model, d));
      terminal.print(
        `recollect: ${dialogues.length} conversations of ${tokens.join(' and ')} tokens, taken in by blocks of ${BLOCK}, keeping 1/${SHARE} of the cache rows;\n` +
          `then ${dialogues.reduce((n, d) => n + d.questions.length, 0)} questions about all of them (${model.config.name}, ${model.backend.build} kernels)\n`,
      );
      const results: EvalResult[] = [];
      const sweep: { policy: string; points: [number, number][] }[] = [];
      const traces: CacheTrace[] = [];
      for (const policy of shown) {
        const points: [number, number][] = [];
        const trace = { policy, points: [] as [number, number][], promisedCacheBytes: 0, kept: [] as Int32Array[] };
        const layers = new Map<number, readonly Int32Array[]>();
        const measure = (parts: typeof dialogues, budget: EvalBudget, watch: boolean) => {
          let before = 0;
          return evaluate(
            model,
            parts,
            { policy, budget, options: { blockSize: BLOCK, episodes: EPISODES } },
            {
              signal: terminal.signal,
              onProgress: (done, total) => terminal.progress(`${policy}: ${done} of ${total} questions`),
              onConversation: (index, memory) => {
                if (watch && index === 0) trace.promisedCacheBytes = memory.promisedCacheBytes;
              },
              onBlock: (index, seen, bytes) => {
                if (!watch || index > 0) return;
                if (seen <= before) trace.points = []; // the next episode begins at the first token again
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
        if (policy === 'full') points.push(...[SHARE, ...SWEEP].map((s): [number, number] => [1 / s, accuracy]));
        else {
          points.push([1 / SHARE, accuracy]);
          for (const s of SWEEP) points.push([1 / s, (await measure(dialogues.slice(0, 1), { share: 1 / s }, false)).accuracy]);
        }
        trace.kept = [...layers.entries()].sort((a, b) => a[0] - b[0]).flatMap(([, heads]) => heads);
        traces.push(trace);
        sweep.push({ policy, points });
        terminal.progress('');
        terminal.note(`${policy.padEnd(14)} ${(100 * result.accuracy).toFixed(1).padStart(5)}% right`);
      }
      terminal.print(`\n${resultTable(results)}\n`);
      const report: ReportData = {
        title: 'A long conversation in a fixed amount of memory',
        model: `${model.config.name} (${model.config.layers} layers, ${model.backend.build} kernels)`,
        machine: `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`,
        command: 'npm start',
        results,
        budgetText: `1/${SHARE}`,
        sweep,
        sweepQuestions: dialogues[0].questions.length,
        traces,
        traceTokens: tokens[0],
      };
      await runtime.writeFile(out, new TextEncoder().encode(renderReport(report)));
      if (typeof values.figures === 'string') {
        for (const [name, svg] of Object.entries(renderFigures(report)))
          await runtime.writeFile(`${values.figures}/${name}.svg`, new TextEncoder().encode(svg));
      }
      terminal.print(`The report, with plots: ${pathToFileURL(out).href}

What to try next:
  npm run -s recollect -- eval models/recollect-tiny.gguf --data models/conv-4k.jsonl --policy keydiff,epicache --budget 1/12 --episodes 8 --medoids 8 --segment 8
  npm run -s recollect -- chat models/recollect-tiny.gguf --budget 8MB          (it knows one kind of text: models/README.md)
  npm run -s recollect -- chat YOUR-MODEL.gguf --budget 256MB                   (llama, qwen2 or qwen3)
  npm run -s recollect -- --help`);
    } finally {
      model.dispose();
    }
  },
};
