// recollect logits: next-token log-probabilities of a text, to be compared with other engines.
import { textLogits } from '../../engine/logits.ts';
import { type Command, oneOf, UsageError, wholeNumber } from '../command.ts';
import { aboutModels, loadWithProgress } from '../load.ts';

export const logits: Command = {
  name: 'logits',
  summary: 'next-token log-probabilities of a text, as JSON',
  operands: ['MODEL'],
  about: aboutModels,
  options: {
    text: { type: 'string' },
    top: { type: 'string' },
    build: { type: 'string' },
    threads: { type: 'string' },
    pipeline: { type: 'string' },
  },
  help: `
usage: recollect logits MODEL --text TEXT [--top 20] [--build simd|relaxed]
                        [--threads N] [--pipeline N]

Runs TEXT through the model (a .gguf path or URL) with a full cache and prints
one line of JSON:
  {"text", "tokens": [...], "top": [[[token, log-probability], ...], ...]}
the --top most probable next tokens after each token, natural logarithms, best
first.

  --text TEXT    what to run; special tokens written in it count
  --top N        how many tokens to list after each position (20)
  --build NAME   kernels to use: simd or relaxed (default: the best here)
  --threads N    threads that share the work (default: by the cores there are)
  --pipeline N   workers that own some of the layers each (default: none, unless
                 the model does not fit into one memory)`,
  async run([input], values, terminal) {
    const { text } = values;
    if (typeof text !== 'string' || text === '') throw new UsageError('--text is missing');
    const top = wholeNumber('top', values.top, 1) ?? 20;
    const model = await loadWithProgress(input, terminal, {
      build: oneOf('build', values.build, ['simd', 'relaxed']),
      threads: wholeNumber('threads', values.threads, 1),
      pipeline: wholeNumber('pipeline', values.pipeline, 1),
    });
    try {
      terminal.print(JSON.stringify(await textLogits(model, text, top)));
    } finally {
      model.dispose();
    }
  },
};
