// recollect episodes: a conversation's topics, and how well they find what questions are about. No
// language model runs.
import { createWasmBackend } from '../../backend/wasm/backend.ts';
import { lexicalEmbedder } from '../../episode/lexical.ts';
import { modelEmbedder } from '../../episode/embedders.ts';
import { datasetFormats, readDialogues } from '../../eval/datasets/registry.ts';
import { type EpisodeReport, measureEpisodes } from '../../eval/episodes.ts';
import type { Model } from '../../engine/model.ts';
import {
  anyNumber,
  type Command,
  oneOf,
  UsageError,
  wholeNumber,
  wholeOrAuto,
} from '../command.ts';
import { readText } from '../files.ts';
import { loadWithProgress } from '../load.ts';
import { fold } from '../words.ts';

const formats = datasetFormats.map((f) => f.name);

export const episodes: Command = {
  name: 'episodes',
  summary: 'topics of conversations, and how well they find what questions are about',
  operands: [],
  options: {
    data: { type: 'string' },
    format: { type: 'string' },
    embedder: { type: 'string' },
    model: { type: 'string' },
    episodes: { type: 'string' },
    segment: { type: 'string' },
    restarts: { type: 'string' },
    seed: { type: 'string' },
    limit: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: `
usage: recollect episodes --data FILE [--format NAME] [--episodes E] [--json]

Cuts each conversation of FILE into segments, embeds and clusters them, and
prints the episodes with their most telling words, and over the questions whose
evidence is known:
  match, match2   mean share of the evidence turns whose segment belongs to the
                  best episode, or the best two
  recall@1 4 16   mean share of them whose segment is among the 1, 4 or 16
                  segments most like the question
  chance          what match would be for episodes drawn in proportion to their
                  size

  --data FILE        conversations: a JSON array, one object, or one a line
  --format NAME      ${formats.join(', ')}
                     (default: recognised by its shape)
  --embedder KIND    lexical (default), or model: the mean of a model's input
                     embeddings, given with --model FILE.gguf
  --model FILE       the model of --embedder model
  --episodes E       clusters, or auto (4)
  --segment TURNS    turns to a segment (4)
  --restarts N       runs of k-means (10)
  --seed N           for their beginnings (0)
  --limit N          only the first N conversations
  --json             {"id", "segments", "sizes", "words", "match", "match2",
                      "recall": {"1", "4", "16"}, "chance", "questions",
                      "droppedEvidence"}
                     an object for one conversation, an array for several`,
  async run(_, values, terminal) {
    if (typeof values.data !== 'string') throw new UsageError('--data FILE is missing');
    const format = oneOf('format', values.format, formats);
    const kind = oneOf('embedder', values.embedder, ['lexical', 'model'] as const) ?? 'lexical';
    if (kind === 'model' && typeof values.model !== 'string')
      throw new UsageError('--embedder model needs --model FILE.gguf');
    const settings = {
      count: wholeOrAuto('episodes', values.episodes, 1) ?? 4,
      segmentTurns: wholeNumber('segment', values.segment, 1) ?? 4,
      restarts: wholeNumber('restarts', values.restarts, 1) ?? 10,
      seed: anyNumber('seed', values.seed) ?? 0,
    };
    const dialogues = readDialogues(await readText(values.data), values.data, format).slice(
      0,
      wholeNumber('limit', values.limit, 1),
    );
    const model: Model | undefined =
      kind === 'model' ? await loadWithProgress(values.model as string, terminal) : undefined;
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
      if (values.json) terminal.print(JSON.stringify(reports.length === 1 ? reports[0] : reports));
      else for (const report of reports) terminal.print(describe(report));
    } finally {
      if (model) model.dispose();
      else backend.dispose();
    }
  },
};

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

const WIDTH = 79;

/** Text behind a heading, its further lines under its first. */
function hung(heading: string, text: string): string {
  return fold(text, WIDTH - heading.length)
    .split('\n')
    .map((line, i) => (i === 0 ? heading : ' '.repeat(heading.length)) + line)
    .join('\n');
}
