// recollect episodes: a conversation's topics, and how well they find what questions are about. No
// language model runs.
import { createWasmBackend } from '../../backend/wasm/backend.ts';
import { lexicalEmbedder } from '../../episode/lexical.ts';
import { modelEmbedder } from '../../episode/embedders.ts';
import { datasetFormats, readDialogues } from '../../eval/datasets/registry.ts';
import { type EpisodeReport, measureEpisodes } from '../../eval/episodes.ts';
import type { Model } from '../../engine/model.ts';
import * as kinds from '../../options/kinds.ts';
import { option, pick } from '../../options/table.ts';
import { optionTables } from '../../session/options.ts';
import { defineCommand, UsageError } from '../command.ts';
import { readText } from '../files.ts';
import { jsonFlag } from '../flags.ts';
import { loadWithProgress } from '../load.ts';
import { hung } from '../words.ts';

const own = {
  data: option(kinds.filledText, {
    isRequired: true,
    flag: 'data FILE',
    summary: 'conversations: a JSON array, one object, or one a line',
  }),
  format: option(kinds.oneOf(datasetFormats.map((f) => f.name)), {
    flag: 'format NAME',
    summary: 'what the file is',
    otherwise: 'recognised by its shape',
  }),
  model: option(kinds.filledText, {
    flag: 'model FILE.gguf',
    summary: 'the model of --embedder model',
  }),
  limit: option(kinds.whole(1, Number.POSITIVE_INFINITY), {
    flag: 'limit N',
    summary: 'only the first N conversations',
  }),
  json: jsonFlag('print JSON: an object for one conversation, an array for several'),
};
const clusters = {
  ...pick(optionTables.episodes.table, 'count', 'segmentTurns', 'restarts', 'embedder'),
  ...pick(optionTables.memory.table, 'seed'),
};

export const episodes = defineCommand({
  name: 'episodes',
  summary: 'topics of conversations, and how well they find what questions are about',
  groups: {
    own: { title: '', table: own },
    clusters: { ...optionTables.episodes, table: clusters },
    load: optionTables.load,
  },
  intro: `
Cuts each conversation of FILE into segments, embeds and clusters them, and
prints the episodes with their most telling words, and over the questions whose
evidence is known:
  match, match2   mean share of the evidence turns whose segment belongs to the
                  best episode, or the best two
  recall@1 4 16   mean share of them whose segment is among the 1, 4 or 16
                  segments most like the question
  chance          what match would be for episodes drawn in proportion to their
                  size
As JSON: {"id", "segments", "sizes", "words", "match", "match2",
  "recall": {"1", "4", "16"}, "chance", "questions", "droppedEvidence"}`,
  async run(_, { own, clusters: { embedder, ...settings }, load }, terminal) {
    if (embedder === 'model' && own.model === undefined)
      throw new UsageError('--embedder model needs --model FILE.gguf');
    const text = await readText(own.data);
    const dialogues = readDialogues(text, own.data, own.format).slice(0, own.limit);
    const model: Model | undefined =
      embedder === 'model' ? await loadWithProgress(own.model!, terminal, load) : undefined;
    const backend = model?.backend ?? createWasmBackend();
    try {
      const reports: EpisodeReport[] = [];
      for (const [i, dialogue] of dialogues.entries()) {
        terminal.signal.throwIfAborted();
        terminal.progress(`conversation ${i + 1} of ${dialogues.length}`);
        reports.push(
          await measureEpisodes(
            dialogue,
            model ? modelEmbedder(model) : lexicalEmbedder(),
            settings,
            backend,
          ),
        );
      }
      terminal.progress('');
      if (own.json) terminal.print(JSON.stringify(reports.length === 1 ? reports[0] : reports));
      else for (const report of reports) terminal.print(describe(report));
    } finally {
      if (model) model.dispose();
      else backend.dispose();
    }
  },
});

function describe(report: EpisodeReport): string {
  const { recall } = report;
  const digits = (x: number) => x.toFixed(3);
  const dropped =
    report.droppedEvidence > 0
      ? `, ${report.droppedEvidence} references to evidence name no turn`
      : '';
  return [
    `${report.id}: ${report.segments} segments, ${report.questions} questions with ` +
      `evidence${dropped}`,
    ...report.sizes.map((size, e) =>
      hung(
        `  episode ${String(e + 1).padEnd(2)} ${String(size).padStart(4)} segments  `,
        report.words[e].join(', '),
      ),
    ),
    report.questions > 0
      ? `  match ${digits(report.match)}  match2 ${digits(report.match2)}  chance ` +
        `${digits(report.chance)}\n  recall@1 ${digits(recall['1'])}  @4 ${digits(recall['4'])}  ` +
        `@16 ${digits(recall['16'])}`
      : `  no question names its evidence: nothing to measure  chance ${digits(report.chance)}`,
    '',
  ].join('\n');
}
