// recollect eval: policies measured on conversations with questions.
import { readDialogues } from '../../eval/datasets/registry.ts';
import { defineCommand } from '../command.ts';
import { evalGroups } from '../eval-options.ts';
import { writeResults } from '../eval-output.ts';
import { runEvaluation, sensitivityOf } from '../eval-run.ts';
import { setupsOf } from '../eval-setups.ts';
import { checkWritable, readText } from '../files.ts';
import { aboutModels, loadWithProgress } from '../load.ts';

export const evalCommand = defineCommand({
  name: 'eval',
  summary: 'accuracy, memory and speed of policies on conversations',
  operands: ['MODEL'],
  about: aboutModels,
  groups: evalGroups,
  intro: `
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
where it was interrupted. Same seed, same answers. With --layers sensitivity a
profile is computed on the data where none is kept beside the model.`,
  async run([input], values, terminal) {
    const { own, memory, load } = values;
    setupsOf(values); // what is wrong with the arguments shows before a model is loaded
    const text = await readText(own.data);
    const dialogues = readDialogues(text, own.data, own.format).slice(0, own.limit);
    for (const path of [own.json, own.html]) if (path !== undefined) await checkWritable(path);
    const model = await loadWithProgress(input, terminal, load);
    try {
      const isSensitive = memory.layers?.includes('sensitivity');
      const sensitivity = isSensitive ? await sensitivityOf(model, dialogues, terminal) : undefined;
      const setups = setupsOf(values, sensitivity);
      const evaluation = { input, model, dialogues, setups };
      const results = await runEvaluation(evaluation, values, terminal);
      await writeResults(evaluation, results, values, terminal);
    } finally {
      model.dispose();
    }
  },
});
