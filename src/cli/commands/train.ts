// recollect train: an adapter, or all weights, from lines of text or messages.
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { NextStep } from '../../eval/page.ts';
import { trainingPage } from '../../eval/training-page.ts';
import { formatBytes } from '../../math/format.ts';
import { mergeTypes } from '../../model/rewrite.ts';
import * as kinds from '../../options/kinds.ts';
import { option, without } from '../../options/table.ts';
import { optionTables } from '../../session/options.ts';
import { parseLines } from '../../train/data.ts';
import { type TrainOptions, trainTable } from '../../train/options.ts';
import type { TrainingReport } from '../../train/report.ts';
import { type PreparedTraining, prepareTraining } from '../../train/train.ts';
import { trainedOf } from '../../train/trained.ts';
import { defineCommand, type Terminal } from '../command.ts';
import { checkWritable, readText, writeText } from '../files.ts';
import { aboutModels, loadWithProgress } from '../load.ts';
import { checkOut, writeTrained } from '../trained-files.ts';
import { quoted, startedAs } from '../words.ts';

const own = {
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
    checkOut(out, training.method);
    for (const file of [out, html, json]) if (file) await checkWritable(file);
    const weights = training.method === 'full' ? 'f32' : load.weights;
    const model = await loadWithProgress(input, terminal, { ...load, weights, pipeline: 1 });
    try {
      const began = performance.now();
      const options: TrainOptions = {
        ...training,
        signal: terminal.signal,
        onProgress: progressOf(terminal),
      };
      const prepared = prepareTraining(model, lines, options, data);
      terminal.note(describe(prepared));
      const trained = await prepared.run((result, parameters) =>
        trainedOf(model, result, parameters, options),
      );
      terminal.progress('');
      const { result } = trained;
      await writeTrained(out, trained, model, { input, type });
      const { losses, heldOut, plan } = result;
      const seconds = (performance.now() - began) / 1000;
      const first = losses[0].toFixed(3);
      terminal.print(`loss ${first} -> ${losses.at(-1)!.toFixed(3)} in ${result.steps} steps`);
      if (heldOut)
        terminal.print(
          `held out (${heldOut.lines} lines) ${heldOut.losses[0][1].toFixed(3)} -> ` +
            `${heldOut.losses.at(-1)![1].toFixed(3)}`,
        );
      terminal.note(`written to ${out}, after ${seconds.toFixed(1)} s`);
      const next = nextSteps(input, out, training.method);
      if (json) {
        const figures = { model: input, data, seconds, losses, heldOut, plan };
        await writeText(json, `${JSON.stringify(figures, null, 1)}\n`);
      }
      if (html) {
        const command = [startedAs(), ...process.argv.slice(2).map(quoted)].join(' ');
        const machine = `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`;
        const lines = prepared.learnedLines;
        const report = { model: input, data, command, machine, result, lines, seconds, next };
        await writeText(html, trainingPage(report));
        terminal.note(`written to ${html}: open it in a browser, ${pathToFileURL(html).href}`);
      }
      for (const { what, command } of next) terminal.note(`${what} ${command ?? ''}`);
    } finally {
      terminal.progress('');
      model.dispose();
    }
  },
});

function describe({ plan, steps, learnedLines, heldOutLines, parameters }: PreparedTraining) {
  return (
    `${steps} steps on ${learnedLines} lines (${heldOutLines} held out), ` +
    `${parameters.toLocaleString('en')} numbers are trained; takes ` +
    `${formatBytes(plan.totalBytes)} beside the model`
  );
}

/** Tells of each step on one line, and how long it will take. */
function progressOf(terminal: Terminal): (report: TrainingReport) => void {
  const began = performance.now();
  let first: number | undefined;
  let heldOut = '';
  return ({ step, steps, loss, heldOutLoss, rate, tokensPerSecond }) => {
    first ??= step - 1;
    if (heldOutLoss !== undefined) heldOut = ` (held out ${heldOutLoss.toFixed(3)})`;
    const perStep = (performance.now() - began) / (step - first);
    const left = Math.ceil(((steps - step) * perStep) / 1000);
    terminal.progress(
      `step ${step} of ${steps}: loss ${loss.toFixed(3)}${heldOut}, rate ${rate.toPrecision(2)}, ` +
        `${Math.round(tokensPerSecond)} tokens/s, ${left} s to go`,
    );
  };
}

function nextSteps(model: string, out: string, method: 'lora' | 'full'): NextStep[] {
  const [file, flag] = method === 'full' ? [out, ''] : [model, ` --adapter ${quoted(out)}`];
  const command = `${startedAs()} chat ${quoted(file)}${flag}`;
  return [{ what: 'Talk to it:', command }];
}
