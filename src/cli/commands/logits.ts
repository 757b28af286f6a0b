// recollect logits: next-token log-probabilities of a text, to be compared with other engines.
import { textLogits } from '../../engine/logits.ts';
import * as kinds from '../../options/kinds.ts';
import { option } from '../../options/table.ts';
import { defineCommand } from '../command.ts';
import { loadWithProgress, onModel } from '../load.ts';

const own = {
  text: option(kinds.filledText, {
    isRequired: true,
    flag: 'text TEXT',
    summary: 'what to run; special tokens written in it count',
  }),
  top: option(kinds.whole(1, Number.POSITIVE_INFINITY), {
    default: 20,
    flag: 'top N',
    summary: 'how many tokens to list after each position',
  }),
};

export const logits = defineCommand({
  name: 'logits',
  summary: 'next-token log-probabilities of a text, as JSON',
  ...onModel(own),
  intro: `
Runs TEXT through the model (a .gguf path or URL) with a full cache and prints
one line of JSON:
  {"text", "tokens": [...], "top": [[[token, log-probability], ...], ...]}
the --top most probable next tokens after each token, natural logarithms, best
first.`,
  async run([input], { own: { text, top }, load }, terminal) {
    const model = await loadWithProgress(input, terminal, load);
    try {
      terminal.print(JSON.stringify(await textLogits(model, text, top)));
    } finally {
      model.dispose();
    }
  },
});
