// recollect split-train: an adapter, trained with the lower layers here and the upper ones at a
// server.
import { pathToFileURL } from 'node:url';
import { splitPage } from '../../eval/split-page.ts';
import { formatBytes } from '../../math/format.ts';
import { without } from '../../options/table.ts';
import { halfTable, loadHalf } from '../../split/load.ts';
import { cutTable, splitTrainTable } from '../../split/options.ts';
import type { SplitTraffic, WayReport } from '../../split/report.ts';
import { prepareSplit } from '../../split/train.ts';
import { parseLines } from '../../train/data.ts';
import { defineCommand } from '../command.ts';
import { readText, writeText } from '../files.ts';
import { aboutModels } from '../load.ts';
import { writeTrained } from '../trained-files.ts';
import { checkFiles, own as trainOwn, progressOf, resultLines, startedBy } from './train.ts';

const own = {
  ...cutTable,
  ...without(trainOwn, 'type'),
  html: { ...trainOwn.html, summary: 'a page with losses, bytes, and bits by channel' },
};
/** What the command line can say about training. */
const table = without(splitTrainTable, 'onProgress', 'onWay', 'signal');

export const splitTrain = defineCommand({
  name: 'split-train',
  summary: 'an adapter, with the lower layers here and the upper ones at a server',
  operands: ['MODEL'],
  about: aboutModels,
  groups: {
    own: { title: '', table: own },
    training: { title: 'Training', table },
    load: { title: 'Loading', table: halfTable },
  },
  intro: `
Trains an adapter on the lines of a file, as train does and with the same bits,
but loads only the layers below C: the others are at a server (split-serve MODEL
--cut C). Hidden states go there and gradients come back. With --labels client
the labels stay here, and so does the model's head. A connection that breaks is
made again, and no step is lost or made twice. With --checkpoint FILE this half
is kept after every step, and the same command goes on from there.`,
  async run([input], { own: { data, out, html, json, cut, labels }, training, load }, terminal) {
    const lines = parseLines(await readText(data), data);
    await checkFiles(input, [], { data, out, html, json, ...training, method: 'lora' });
    const { signal } = terminal;
    const model = await loadHalf(input, 'client', { cut, labels }, { ...load, signal });
    const began = performance.now();
    try {
      let way: WayReport | undefined;
      const progress = progressOf(terminal, {
        checkpoint: training.checkpoint,
        more: () => (way ? `, ${toldOf(way)}` : ''),
      });
      const onWay = (now: WayReport) => (way = now);
      const options = { ...training, signal, onProgress: progress, onWay };
      const prepared = prepareSplit(model, lines, options, data);
      terminal.note(
        `${prepared.steps} steps on ${prepared.learnedLines} lines (${prepared.heldOutLines} ` +
          `held out); takes ${formatBytes(prepared.bytes)} beside this half of the model`,
      );
      const result = await prepared.run();
      terminal.progress('');
      await writeTrained(out, result, model, { input, type: 'same' });
      for (const line of resultLines(result)) terminal.print(line);
      terminal.print(toldOf({ traffic: result.traffic, meanBits: result.course.meanBits.at(-1)! }));
      terminal.note(`written to ${out}`);
      if (json) {
        const { adapter: _, ...figures } = result;
        await writeText(json, `${JSON.stringify({ model: input, data, ...figures }, null, 1)}\n`);
      }
      if (html) {
        const { codec, bits, byToken: isByToken = false } = training;
        const page = {
          ...{ model: input, data, result, isByToken, lines: prepared.learnedLines },
          ...startedBy(began),
          codec: codec === 'none' ? 'none: f32' : `${codec}, ${bits} bits`,
        };
        await writeText(html, splitPage(page));
        terminal.note(`written to ${html}: open it in a browser, ${pathToFileURL(html).href}`);
      }
    } finally {
      terminal.progress('');
      model.dispose();
    }
  },
});

const told = ({ sentBytes, receivedBytes, savedBytes, reconnects }: SplitTraffic): string =>
  `${formatBytes(sentBytes)} sent, ${formatBytes(receivedBytes)} received` +
  (savedBytes > 0 ? `, ${formatBytes(savedBytes)} saved` : '') +
  (reconnects > 0 ? `, connected again ${reconnects} times` : '');

const toldOf = ({ traffic, meanBits }: WayReport): string =>
  told(traffic) +
  (meanBits.length > 0 ? `, ${meanBits.map((bits) => bits.toFixed(2)).join(' and ')} bits` : '');
