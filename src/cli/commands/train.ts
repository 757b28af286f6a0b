// recollect train: an adapter, or all weights, from lines of text or messages.
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { OptionError } from '../../errors.ts';
import type { NextStep } from '../../eval/page.ts';
import { trainingPage } from '../../eval/training-page.ts';
import { formatBytes } from '../../math/format.ts';
import { type AdapterOption, readAdapterOptions } from '../../model/adapter/option.ts';
import { mergeTypes } from '../../model/rewrite.ts';
import * as kinds from '../../options/kinds.ts';
import { option, without } from '../../options/table.ts';
import { optionTables } from '../../session/options.ts';
import { parseLines } from '../../train/data.ts';
import { type TrainOptions, trainTable } from '../../train/options.ts';
import type { TrainingReport, TrainingResult } from '../../train/report.ts';
import { type PreparedTraining, prepareTraining } from '../../train/train.ts';
import { defineCommand, type Terminal } from '../command.ts';
import { checkApart, checkWritable, readText, writeText } from '../files.ts';
import { aboutModels, type LoadChoices, loadWithProgress } from '../load.ts';
import { checkOut, filesOf, writeTrained } from '../trained-files.ts';
import { counted, quoted, startedAs } from '../words.ts';

export const own = {
  data: option(kinds.filledText, {
    isRequired: true,
    flag: 'data FILE',
    summary: 'lines of {"text": ...} or {"messages": [...]}',
  }),
  out: option(kinds.filledText, {
    isRequired: true,
    flag: 'out FILE',
    summary:
      'the adapter as FILE.gguf or FILE.safetensors (with adapter_config.json beside it); with ' +
      '--method full the model as FILE.gguf',
  }),
  type: option(kinds.oneOf(mergeTypes), {
    default: 'same',
    flag: 'type NAME',
    summary: 'what trained matrices are stored as with --method full; same: as before',
  }),
  html: option(kinds.filledText, {
    flag: 'html FILE',
    summary: 'a page with the loss over the steps',
  }),
  json: option(kinds.filledText, {
    flag: 'json FILE',
    summary: 'losses and figures as JSON',
  }),
};
/** What the command line can say about training. */
const table = without(trainTable, 'onProgress', 'signal');

export const train = defineCommand({
  name: 'train',
  summary: 'an adapter (or all weights) from lines of text, on this machine',
  operands: ['MODEL'],
  about: aboutModels,
  groups: {
    own: { title: '', table: own },
    training: { title: 'Training', table },
    load: optionTables.load,
  },
  intro: `
Trains on the lines of a file: {"text": "..."}, all of which is learned, or
{"messages": [{"role": ..., "content": ...}, ...]}, whose replies are. Bytes are
planned before anything starts, and told. With --checkpoint FILE the training is
kept after every step, and the same command goes on from there.
The adapter is used by --adapter FILE, and by other programs that read LoRA
adapters. --method full trains all weights of a small model.`,
  async run([input], { own: { data, out, type, html, json }, training, load }, terminal) {
    const lines = parseLines(await readText(data), data);
    const adapters = readAdapterOptions('--adapter', load.adapters ?? []);
    await checkFiles(input, adapters, { data, out, html, json, ...training });
    checkTogether(training.method, type, load);
    const weights = training.method === 'full' ? 'f32' : load.weights;
    const device = load.device === 'auto' ? 'wasm' : load.device;
    const together = { ...load, device, weights, pipeline: 1 };
    const model = await loadWithProgress(input, terminal, together);
    let done: number | undefined;
    try {
      const began = performance.now();
      const progress = progressOf(terminal, { checkpoint: training.checkpoint });
      const options: TrainOptions = {
        ...training,
        signal: terminal.signal,
        onProgress: (report) => {
          done = report.step;
          progress(report);
        },
      };
      const prepared = prepareTraining(model, lines, options, data);
      terminal.note(describe(prepared));
      const trained = await prepared.run();
      terminal.progress('');
      const { result } = trained;
      await writeTrained(out, trained, model, { input, type });
      const { losses, heldOut, plan } = result;
      const seconds = (performance.now() - began) / 1000;
      for (const line of resultLines(result)) terminal.print(line);
      terminal.note(`written to ${out}, after ${seconds.toFixed(1)} s`);
      const next = nextSteps(input, adapters, out, training.method);
      if (json) {
        const figures = { model: input, data, seconds, losses, heldOut, plan };
        await writeText(json, `${JSON.stringify(figures, null, 1)}\n`);
      }
      if (html) {
        const { learnedLines: lines } = prepared;
        const report = { model: input, data, ...startedBy(began), result, lines, next };
        await writeText(html, trainingPage(report));
        terminal.note(`written to ${html}: open it in a browser, ${pathToFileURL(html).href}`);
      }
      for (const { what, command } of next) terminal.note(`${what} ${command ?? ''}`);
    } catch (error) {
      terminal.progress('');
      if (terminal.signal.aborted && done !== undefined) terminal.note(whatIsLeft(done, training));
      throw error;
    } finally {
      terminal.progress('');
      model.dispose();
    }
  },
});

/** Words of a command line as others may see them: a token is its owner's. */
export const withoutToken = (words: readonly string[]): string[] =>
  words.map((word, i) =>
    words[i - 1] === '--token' ? 'TOKEN' : word.replace(/^--token=.*/s, '--token=TOKEN'),
  );

/** What a page tells of the run that it is of. */
export const startedBy = (began: number) => ({
  command: [startedAs(), ...withoutToken(process.argv.slice(2)).map(quoted)].join(' '),
  machine: `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`,
  seconds: (performance.now() - began) / 1000,
});

/** Throws OptionError for files that cannot be written, or must not be. */
export async function checkFiles(
  input: string,
  adapters: readonly AdapterOption[],
  files: Readonly<Record<'data' | 'out', string>> &
    Partial<Record<'html' | 'json' | 'checkpoint', string>> & { readonly method: 'lora' | 'full' },
): Promise<void> {
  const { data, out, html, json, checkpoint, method } = files;
  await checkOut(out, method);
  const loaded = adapters.flatMap(({ source }) => filesOf(String(source)));
  const written = Object.entries({ out, html, json, checkpoint });
  await checkApart(
    written.map(([name, path]) => [`--${name}`, path] as const),
    [input, data, ...loaded],
  );
  for (const [, path] of written) if (path !== undefined) await checkWritable(path);
}

/** Throws OptionError for what would say nothing here. */
function checkTogether(
  method: 'lora' | 'full',
  type: string,
  { device, pipeline }: LoadChoices,
): void {
  if (method === 'lora' && type !== 'same')
    throw new OptionError(
      `--type ${type} is for --method full: an adapter is stored as F32, leave it out`,
    );
  if (typeof pipeline === 'number' && pipeline > 1)
    throw new OptionError(
      `--pipeline is ${pipeline}: training needs all layers in one memory, leave it out`,
    );
  if (device === 'webgpu')
    throw new OptionError('--device is webgpu, which has no gradients: leave it out');
}

function describe({ plan, steps, learnedLines, heldOutLines, parameters }: PreparedTraining) {
  return (
    `${counted(steps, 'step')} on ${counted(learnedLines, 'line')} (${heldOutLines} held out): ` +
    `${parameters.toLocaleString('en')} numbers\n` +
    `are trained, in ${formatBytes(plan.totalBytes)} beside the model`
  );
}

/** Losses at the beginning and at the end. */
export function resultLines({
  losses,
  heldOut,
  steps,
}: Pick<TrainingResult, 'losses' | 'heldOut' | 'steps'>): string[] {
  const fromTo = (first: number, last: number) => `${first.toFixed(3)} -> ${last.toFixed(3)}`;
  const learned = `loss ${fromTo(losses[0], losses.at(-1)!)} in ${counted(steps, 'step')}`;
  if (!heldOut) return [learned];
  const [first, last] = [heldOut.losses[0][1], heldOut.losses.at(-1)![1]];
  return [learned, `held out (${counted(heldOut.lines, 'line')}) ${fromTo(first, last)}`];
}

/** What an end before the last step leaves. */
const whatIsLeft = (done: number, { checkpoint }: { readonly checkpoint?: string | undefined }) =>
  checkpoint === undefined
    ? `${counted(done, 'step')} done, and lost: --checkpoint FILE keeps them`
    : `${checkpoint} has ${counted(done, 'step')}: the same command goes on from there`;

/** Tells of each step on one line, how long it will take, and `more`. */
export function progressOf(
  terminal: Terminal,
  { checkpoint, more = () => '' }: { checkpoint?: string | undefined; more?: () => string } = {},
): (report: TrainingReport) => void {
  const began = performance.now();
  let first: number | undefined;
  let heldOut = '';
  return ({ step, steps, loss, heldOutLoss, rate, tokensPerSecond }) => {
    if (first === undefined && step > 1)
      terminal.note(`goes on from step ${step}, as ${checkpoint} has the ones before`);
    first ??= step - 1;
    if (heldOutLoss !== undefined) heldOut = ` (held out ${heldOutLoss.toFixed(3)})`;
    const perStep = (performance.now() - began) / (step - first);
    const left = Math.ceil(((steps - step) * perStep) / 1000);
    terminal.progress(
      `step ${step} of ${steps}: loss ${loss.toFixed(3)}${heldOut}, rate ${rate.toPrecision(2)}, ` +
        `${Math.round(tokensPerSecond)} tokens/s, ${left} s to go${more()}`,
    );
  };
}

/** Talks to what was trained: adapters that it was trained on top of belong to it. */
function nextSteps(
  model: string,
  adapters: readonly AdapterOption[],
  out: string,
  method: 'lora' | 'full',
): NextStep[] {
  const below = adapters.map(({ source, scale = 1 }) => {
    const file = String(source);
    return scale === 1 && !file.includes(':') ? file : `${file}:${scale}`;
  });
  const [file, given] = method === 'full' ? [out, []] : [model, [...below, out]];
  const flags = given.map((adapter) => ` --adapter ${quoted(adapter)}`).join('');
  return [{ what: 'Talk to it:', command: `${startedAs()} chat ${quoted(file)}${flags}` }];
}
