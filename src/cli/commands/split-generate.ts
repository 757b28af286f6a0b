// recollect split-generate: a reply, with the lower layers here and the upper ones at a server.
import { OptionError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import * as kinds from '../../options/kinds.ts';
import { option, without } from '../../options/table.ts';
import { generateTable } from '../../split/generate-options.ts';
import { askSplit, questionTable } from '../../split/generate-split.ts';
import { cutTable } from '../../split/options.ts';
import type { SplitResult } from '../../split/train.ts';
import { sampleTable } from '../../engine/sampling/options.ts';
import { halfTable } from '../../split/load.ts';
import { defineCommand } from '../command.ts';
import { readText } from '../files.ts';
import { aboutModels } from '../load.ts';

const own = {
  cut: cutTable.cut,
  prompt: option(kinds.filledText, {
    isRequired: true,
    flag: 'prompt TEXT',
    summary: 'the question, or with --plain the text to go on with',
  }),
  text: option(kinds.filledText, {
    flag: 'text FILE',
    summary: 'text that the question is about',
  }),
  plain: option(kinds.flag, {
    default: false,
    flag: 'plain',
    summary: 'put no chat template around the prompt',
  }),
  learned: option(kinds.filledText, {
    flag: 'learned FILE',
    summary: 'bits of each channel: a JSON list, or what split-train --json wrote',
  }),
  maxTokens: questionTable.maxTokens,
};

export const splitGenerate = defineCommand({
  name: 'split-generate',
  summary: 'a reply, with the lower layers here and the upper ones at a server',
  operands: ['MODEL'],
  about: aboutModels,
  groups: {
    own: { title: '', table: own },
    way: { title: 'The way', table: without(generateTable, 'channelBits', 'signal') },
    sampling: { title: 'Sampling', table: sampleTable },
    load: { title: 'Loading', table: halfTable },
  },
  intro: `
Runs a prompt through the layers below C; the others are at a server
(split-serve MODEL --cut C), which draws the tokens of the reply. Hidden states
go there, as f32 or in few bits. With --codec none the reply is that of the
model in one piece. A connection that breaks is made again, and no token is
lost or drawn twice.`,
  async run([input], { own: { text, plain, learned, prompt, ...own }, ...groups }, terminal) {
    const { signal } = terminal;
    const pieces = askSplit(input, prompt, {
      ...own,
      ...groups.way,
      ...groups.sampling,
      text: text === undefined ? '' : await readText(text),
      template: !plain,
      channelBits: learned === undefined ? undefined : bitsIn(await readText(learned), learned),
      loading: groups.load,
      signal,
    });
    let step = await pieces.next();
    for (; !step.done; step = await pieces.next()) terminal.write(step.value);
    terminal.endLine();
    const { promptTokens, tokens, reason, traffic, bytes } = step.value;
    terminal.note(
      `${promptTokens} tokens in, ${tokens} out (${reason}); ${formatBytes(traffic.sentBytes)} ` +
        `sent, ${formatBytes(traffic.receivedBytes)} received; ${formatBytes(bytes)} beside ` +
        `this half of the model`,
    );
  },
});

/**
 * Bits of channels as a file has them: a list of numbers, or what split-train --json wrote, the
 * last bits of the channels that it sent. Throws OptionError for anything else.
 */
export function bitsIn(content: string, path: string): number[] {
  try {
    const found = JSON.parse(content) as Partial<SplitResult> | number[] | null;
    const list = Array.isArray(found) ? found : found?.course?.bits.at(-1)?.bits[0];
    if (list?.every((bits) => typeof bits === 'number')) return [...list];
  } catch {
    // said below
  }
  throw new OptionError(
    `'${path}' has no bits of channels, expected JSON: a list of numbers such as [4, 3, ...], or ` +
      `what split-train --json wrote`,
  );
}
