// recollect profile: which layers suffer when attention is cut to blocks.
import * as kinds from '../../options/kinds.ts';
import { option } from '../../options/table.ts';
import { profileOf } from '../../session/profile.ts';
import { defineCommand } from '../command.ts';
import { readText } from '../files.ts';
import { jsonFlag } from '../flags.ts';
import { loadWithProgress, onModel } from '../load.ts';

const own = {
  text: option(kinds.filledText, {
    isRequired: true,
    flag: 'text FILE',
    summary: 'any text longer than a block',
  }),
  json: jsonFlag('print the profile as JSON'),
};

export const profile = defineCommand({
  name: 'profile',
  summary: 'layer sensitivities, kept beside the model',
  ...onModel(own),
  intro: `
Measures how similar each layer's keys stay when attention is limited to blocks
(as EpiCache does), on a text file of some thousand tokens, and keeps the
result beside the model as MODEL.profile.json, where --layers sensitivity finds
it. Low similarity = sensitive: such layers get more of the budget.`,
  async run([input], { own: { text: file, json }, load }, terminal) {
    const text = await readText(file);
    const model = await loadWithProgress(input, terminal, load);
    try {
      const { profile: found, stored } = await profileOf(model, text, {
        signal: terminal.signal,
        fresh: true,
        onProgress: (done, total) => terminal.progress(`profiling: ${done} of ${total} tokens`),
      });
      terminal.progress('');
      if (json) terminal.print(JSON.stringify(found));
      else {
        terminal.print(
          `${found.tokens} tokens, blocks of ${found.blockSize}, ${found.sinks} sinks`,
        );
        found.similarity.forEach((s, layer) =>
          terminal.print(`layer ${String(layer).padStart(3)}  ${s.toFixed(4)}`),
        );
      }
      terminal.note(
        stored ? `kept in ${stored}` : "not kept: the model's folder cannot be written",
      );
    } finally {
      model.dispose();
    }
  },
});
