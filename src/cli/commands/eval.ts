// recollect eval: policies measured on conversations with questions.
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { runtime } from '#runtime';
import type { Dialogue } from '../../eval/datasets/dataset.ts';
import { datasetFormats, readDialogues } from '../../eval/datasets/registry.ts';
import type { EvalBudget, EvalSetup } from '../../eval/evaluate.ts';
import type { DialogueResult, EvalResult } from '../../eval/results.ts';
import { summarise } from '../../eval/summary.ts';
import type { NextStep } from '../../eval/page.ts';
import { compare, type Journal, runSweep, sweepKey, type Unit } from '../../eval/sweep.ts';
import { renderSweep } from '../../eval/sweep-report.ts';
import { resultTable } from '../../eval/table.ts';
import type { Model } from '../../engine/model.ts';
import { observerNames } from '../../policy/compose.ts';
import { aggregates, layerSharings } from '../../policy/policy.ts';
import { policies } from '../../policy/registry.ts';
import { rowTypeNames } from '../../backend/dtype.ts';
import type { ConversationOptions } from '../../session/options.ts';
import { profileOf } from '../../session/profile.ts';
import {
  anyNumber,
  type Command,
  oneOf,
  type Terminal,
  UsageError,
  type Values,
  wholeNumber,
  wholeOrAuto,
} from '../command.ts';
import { hereWorkers, processWorkers } from '../eval-workers.ts';
import { appendText, checkWritable, readText, writeText } from '../files.ts';
import { aboutModels, loadWithProgress } from '../load.ts';
import { fold, meant, quoted, startedAs } from '../words.ts';

const formats = datasetFormats.map((f) => f.name);

export const evalCommand: Command = {
  name: 'eval',
  summary: 'accuracy, memory and speed of policies on conversations',
  operands: ['MODEL'],
  about: aboutModels,
  options: {
    data: { type: 'string' },
    format: { type: 'string' },
    policy: { type: 'string', multiple: true },
    budget: { type: 'string', multiple: true },
    block: { type: 'string' },
    heads: { type: 'string', multiple: true },
    layers: { type: 'string', multiple: true },
    episodes: { type: 'string' },
    medoids: { type: 'string' },
    segment: { type: 'string' },
    embedder: { type: 'string' },
    'answer-from': { type: 'string' },
    store: { type: 'string' },
    json: { type: 'string' },
    html: { type: 'string' },
    processes: { type: 'string' },
    threads: { type: 'string' },
    limit: { type: 'string' },
    parts: { type: 'string' },
    seed: { type: 'string' },
    sinks: { type: 'string' },
    positions: { type: 'string' },
    instructions: { type: 'boolean' },
    alpha: { type: 'string' },
    safeguard: { type: 'string' },
    'cache-type': { type: 'string', multiple: true },
    'prompt-tokens': { type: 'string' },
    recall: { type: 'string', multiple: true },
    observe: { type: 'string' },
    window: { type: 'string' },
    aggregate: { type: 'string' },
    pool: { type: 'string' },
    value: { type: 'string' },
    stages: { type: 'string' },
  },
  help: `
usage: recollect eval MODEL --data FILE.jsonl --policy NAME [--policy NAME ...]
                      --budget TOKENS [--block 256] ...

Takes each conversation of FILE in, block by block, under each policy, asks its
questions independently of one another, greedily, and compares the answers
(equal after trimming; and F1 over words). Options marked * may be lists
(--budget 1/8,1/12): all combinations are measured.
Prints a table; --json writes
  {"model", "data", "results": [{"policy", "budget", "block", "heads",
   "layers", "cacheType", "recall", "questions", "accuracy", "interval", "f1",
   "peakCacheBytes", "promisedBytes", "prefillMs", "decodeTokensPerSecond",
   "firstTokenMs", "byTopic", "byDistance", "answers": [...]}],
   "comparisons": [{"a", "b", "difference": {"mean", "low", "high"}}]}
and keeps what is finished in OUT.partial until then: the same command goes on
where it was interrupted. Same seed, same answers.

  --data FILE        one conversation a line: {"turns": [{"line"}],
                     "questions": [{"question", "answer"}]}; or LoCoMo,
                     REALTALK, LongMemEval
  --format NAME      ${formats.join(', ')}
                     (default: recognised by its shape)
* --policy NAME      one of those below, or all
* --budget B         tokens kept per kv head, or a share of each conversation
                     such as 1/8; 'full' keeps everything
  --block N          tokens forwarded, and evicted after, at a time (256)
* --heads KIND       uniform, or adaptive: a layer's best rows, whatever their
                     head (default: the policy's)
* --layers KIND      uniform, pyramid (falling with depth), global (the best
                     rows of all layers and heads), or sensitivity: by the
                     profile kept beside the model, computed on the data where
                     there is none (default: the policy's)
  --episodes E       clusters of epicache, or auto (4)
  --medoids N        segments that stand for an episode (4)
  --segment TURNS    turns to a segment (4)
  --embedder KIND    lexical (default) or model
  --answer-from N    episodes that answer: 1, 2 (default), or auto: two where
                     the second best is nearly as good
  --store DIR        folder for episodes that are not resident (default: memory)
  --limit N          only the first N conversations
  --processes N      that share the work, each with the model (1)
  --threads N        threads of each process (1; results are the same, what is
                     promised grows by their scratch)
  --json OUT         write results as JSON
  --html OUT         write a report with plots, intervals and explanations
  --sinks S          first tokens always kept (4)
  --positions P      original, compact or auto
* --cache-type T     f16 (default), f32, or of few bits: int8, int4, int3
                     (rotated); kivi-int8, kivi-int4, kivi-int3; kivi-mixed4,
                     -mixed3.5, -mixed3, -mixed2.5 (bits of the average channel
                     of keys)
  --seed N           for clustering and the random policy (0)
  --parts N          add each conversation in N parts, asking in between: what
                     was made early has to follow (1)
  --alpha A          sharpness of sensitivity (1.1)
  --safeguard F      share each adaptive head keeps for certain (0.2)
* --recall R         rows, out of the budget (at most half), into which text
                     that a question needs is forwarded again (0)
  --prompt-tokens P  longest patched prompt
  --[no-]instructions  the papers' instruction texts in patched prompts

Axes of a policy, changed one by one (not where it scores by a formula of its
own, as keydiff):
  --observe WHO      last, block, or a patched prompt: repeat, summary, episode
  --window N         newest tokens that are kept, and look under 'last'
  --aggregate HOW    mean, max or defensive
  --pool N           neighbouring rows that looks are averaged over (odd)
  --value TERM       none or projected
  --stages N         1 or 2 (most of the attention first)

Policies:
${fold(policies.map((p) => p.name).join(', '), 78)}`,
  async run([input], values, terminal) {
    if (typeof values.data !== 'string') throw new UsageError('--data FILE.jsonl is missing');
    const names = listOf(values.policy);
    const chosen = names.includes('all') ? policies.map((p) => p.name) : names;
    if (chosen.length === 0) throw new UsageError('--policy NAME is missing');
    const unknown = chosen.find((name) => !policies.some((p) => p.name === name));
    if (unknown !== undefined) {
      const known = policies.map((p) => p.name);
      throw new UsageError(
        `no policy '${unknown}'${meant(unknown, known)}; there are ${known.join(', ')}`,
      );
    }
    const budgets = listOf(values.budget);
    const base = readConversationOptions(values);
    const sharing = {
      heads: listOf(values.heads).map((v) => oneOf('heads', v, ['uniform', 'adaptive'] as const)),
      layers: listOf(values.layers).map((v) => oneOf('layers', v, layerSharings)),
      cacheType: listOf(values['cache-type']).map((v) => oneOf('cache-type', v, rowTypeNames)),
      recall: listOf(values.recall).map((v) => wholeNumber('recall', v, 0)),
    };
    const format = oneOf('format', values.format, formats);
    const limit = wholeNumber('limit', values.limit, 1);
    const parts = wholeNumber('parts', values.parts, 1);
    const processes = wholeNumber('processes', values.processes, 1) ?? 1;
    const threads = wholeNumber('threads', values.threads, 1) ?? 1;
    const out = typeof values.json === 'string' ? values.json : undefined;
    const page = typeof values.html === 'string' ? values.html : undefined;
    const setupsWith = (sensitivity?: readonly number[]) =>
      chosen.flatMap((policy) =>
        setupsOf(policy, budgets, sharing, { ...base, sensitivity }, parts),
      );
    setupsWith(); // what is wrong with the arguments shows before a model is loaded
    const dialogues = readDialogues(await readText(values.data), values.data, format).slice(
      0,
      limit,
    );
    for (const path of [out, page]) if (path !== undefined) await checkWritable(path);

    const model = await loadWithProgress(input, terminal, { threads });
    try {
      const sensitive = sharing.layers.includes('sensitivity');
      const setups = setupsWith(
        sensitive ? await sensitivityOf(model, dialogues, terminal) : undefined,
      );
      const key = sweepKey({
        model: [input, model.bytes, model.backend.build],
        data: dialogues,
        setups,
      });
      const partial = out && `${out}.partial`;
      const journal = partial === undefined ? undefined : await openJournal(partial);
      const workers =
        processes > 1
          ? processWorkers(
              processes,
              { model: input, threads, data: values.data, format, setups },
              terminal.signal,
            )
          : hereWorkers(model, dialogues, setups, terminal.signal, ({ setup, dialogue }, done) =>
              terminal.progress(
                `${setups[setup].policy}, setup ${setup + 1} of ${setups.length}, conversation ` +
                  `${dialogue + 1}: ${done} questions`,
              ),
            );
      const finished = setups.map((): DialogueResult[] => []);
      const work = async (unit: Unit) => {
        const result = await workers.work(unit);
        finished[unit.setup].push(result);
        return result;
      };
      let results: EvalResult[];
      try {
        results = await runSweep(
          key,
          setups,
          dialogues.length,
          { ...workers, work },
          journal,
          (done, total, resumed) => {
            if (done === resumed && resumed > 0)
              terminal.note(`going on with ${resumed} of ${total} conversations from ${partial}`);
            terminal.progress(`${done} of ${total} conversations`);
          },
        );
      } catch (error) {
        if (terminal.signal.aborted) tellFinished(finished, dialogues.length, partial, terminal);
        throw error;
      } finally {
        workers.stop?.();
      }
      terminal.progress('');
      const report = {
        model: input,
        data: values.data,
        build: model.backend.build,
        results,
        comparisons: compare(results),
      };
      if (out) {
        await writeText(out, `${JSON.stringify(report, null, 1)}\n`);
        // there is none where nothing had to be done
        await runtime.removeFile(partial!).catch(() => {});
        terminal.note(`written to ${out}`);
      }
      if (page) {
        const machine =
          `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}, ` +
          `${model.backend.build} kernels`;
        const command = [startedAs(), ...process.argv.slice(2).map(quoted)].join(' ');
        await writeText(
          page,
          renderSweep({ ...report, machine, command, next: nextSteps(input, results) }),
        );
        terminal.note(`written to ${page}: open it in a browser, ${pathToFileURL(page).href}`);
      }
      terminal.print(resultTable(results, terminal.columns));
      if (!page)
        terminal.note(
          'With --html FILE there are plots, intervals, and where questions were lost.',
        );
    } finally {
      model.dispose();
    }
  },
};

/** After an interrupt: what there is of the results, and how to go on. */
function tellFinished(
  finished: readonly (readonly DialogueResult[])[],
  dialogues: number,
  partial: string | undefined,
  terminal: Terminal,
): void {
  if (partial !== undefined) {
    terminal.note(`interrupted: the same command goes on from ${partial}`);
    return;
  }
  const whole = finished.filter((results) => results.length === dialogues).map(summarise);
  if (whole.length > 0) terminal.print(resultTable(whole, terminal.columns));
  const done = finished.reduce((n, results) => n + results.length, 0);
  terminal.note(
    `interrupted: ${done} of ${finished.length * dialogues} conversations were done; with ` +
      `--json OUT they are kept, and the same command goes on`,
  );
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

/** Values of an option that may be given several times, or as a list with commas. */
function listOf(value: Values[string]): string[] {
  const given = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return given
    .flatMap((v) => String(v).split(','))
    .map((v) => v.trim())
    .filter((v) => v !== '');
}

type Sharing = {
  readonly [K in 'heads' | 'layers' | 'cacheType' | 'recall']: readonly ConversationOptions[K][];
};

/**
 * All combinations of a policy with what the sweep varies. `full` knows no budget and no sharing:
 * it runs once for each type of rows.
 */
function setupsOf(
  policy: string,
  budgets: readonly string[],
  sharing: Sharing,
  { observe, window, aggregate, pool, value, stages, ...options }: EvalSetup['options'],
  parts: number | undefined,
): EvalSetup[] {
  const each = <T>(values: readonly T[]): readonly (T | undefined)[] =>
    values.length > 0 ? values : [undefined];
  if (policy === 'full')
    return each(sharing.cacheType).map((cacheType) => ({
      policy,
      budget: { tokens: 1 },
      parts,
      options: { ...options, cacheType },
    }));
  if (budgets.length === 0)
    throw new UsageError('--budget is missing: tokens such as 256, or a share such as 1/8');
  const axes = { observe, window, aggregate, pool, value, stages };
  return budgets.flatMap((budget) =>
    each(sharing.heads).flatMap((heads) =>
      each(sharing.layers).flatMap((layers) =>
        each(sharing.cacheType).flatMap((cacheType) =>
          each(sharing.recall).map((recall) => {
            const sensitivity = layers === 'sensitivity' ? options.sensitivity : undefined;
            return {
              policy,
              budget: readBudget(budget),
              parts,
              options: { ...options, ...axes, sensitivity, heads, layers, cacheType, recall },
            };
          }),
        ),
      ),
    ),
  );
}

function answerFromOf(value: unknown): 1 | 2 | 'auto' | undefined {
  const from = oneOf('answer-from', value, ['1', '2', 'auto'] as const);
  return from === '1' ? 1 : from === '2' ? 2 : from;
}

function readBudget(value: string): EvalBudget {
  const share = /^\s*(\d+)\s*\/\s*(\d+)\s*$/.exec(String(value));
  if (share && Number(share[1]) > 0 && Number(share[1]) <= Number(share[2]))
    return { share: Number(share[1]) / Number(share[2]) };
  const tokens = Number(value);
  if (!Number.isInteger(tokens) || tokens < 1)
    throw new UsageError(
      `--budget is '${String(value)}', expected tokens such as 256, or a share of the ` +
        `conversation such as 1/8`,
    );
  return { tokens };
}

function readConversationOptions(values: Values): Omit<ConversationOptions, 'budget' | 'policy'> {
  return {
    blockSize: wholeNumber('block', values.block, 1),
    positions: oneOf('positions', values.positions, ['auto', 'original', 'compact']),
    sinks: wholeNumber('sinks', values.sinks, 0),
    seed: anyNumber('seed', values.seed),
    alpha: anyNumber('alpha', values.alpha),
    safeguard: anyNumber('safeguard', values.safeguard),
    promptTokens: wholeNumber('prompt-tokens', values['prompt-tokens'], 1),
    instructions: values.instructions as boolean | undefined,
    observe: oneOf('observe', values.observe, observerNames),
    window: wholeNumber('window', values.window, 0),
    aggregate: oneOf('aggregate', values.aggregate, aggregates),
    pool: wholeNumber('pool', values.pool, 1),
    value: oneOf('value', values.value, ['none', 'projected'] as const),
    stages: wholeNumber('stages', values.stages, 1) as 1 | 2 | undefined,
    episodes: {
      count: wholeOrAuto('episodes', values.episodes, 1),
      answerFrom: answerFromOf(values['answer-from']),
      medoids: wholeNumber('medoids', values.medoids, 1),
      segmentTurns: wholeNumber('segment', values.segment, 1),
      embedder: oneOf('embedder', values.embedder, ['lexical', 'model'] as const),
      store: values.store as string | undefined,
    },
  };
}

async function sensitivityOf(
  model: Model,
  dialogues: readonly Dialogue[],
  terminal: Terminal,
): Promise<readonly number[]> {
  const text = dialogues[0].turns.map((t) => t.line).join('');
  const { profile, stored } = await profileOf(model, text, {
    signal: terminal.signal,
    onProgress: (done, total) => terminal.progress(`profiling layers: ${done} of ${total} tokens`),
  });
  terminal.progress('');
  if (stored) terminal.note(`layer sensitivities: ${stored}`);
  return profile.similarity;
}

/**
 * A file that is begun now where there is none, so that a place that cannot be written is found out
 * before the work.
 */
async function openJournal(path: string): Promise<Journal> {
  await appendText(path, '');
  return { read: () => readFile(path, 'utf8'), append: (text) => appendText(path, text) };
}
