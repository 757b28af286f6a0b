// recollect profile: which layers suffer when attention is cut to blocks.
import { profileOf } from '../../session/profile.ts';
import { type Command, UsageError } from '../command.ts';
import { readText } from '../files.ts';
import { aboutModels, loadWithProgress } from '../load.ts';

export const profile: Command = {
  name: 'profile',
  summary: 'layer sensitivities, kept beside the model',
  operands: ['MODEL'],
  about: aboutModels,
  options: { text: { type: 'string' }, json: { type: 'boolean' } },
  help: `
usage: recollect profile MODEL --text FILE [--json]

Measures how similar each layer's keys stay when attention is limited to blocks
(EpiCache, section 3.4), on a text file of some thousand tokens, and keeps the
result beside the model as MODEL.profile.json, where --layers sensitivity finds
it. Low similarity = sensitive: such layers get more of the budget.

  --text FILE   any text longer than a block
  --json        print the profile as JSON`,
  async run([input], values, terminal) {
    if (typeof values.text !== 'string') throw new UsageError('--text FILE is missing');
    const text = await readText(values.text);
    const model = await loadWithProgress(input, terminal);
    try {
      const { profile: found, stored } = await profileOf(model, text, {
        signal: terminal.signal,
        fresh: true,
        onProgress: (done, total) => terminal.progress(`profiling: ${done} of ${total} tokens`),
      });
      terminal.progress('');
      if (values.json) terminal.print(JSON.stringify(found));
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
};
