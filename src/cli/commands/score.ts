// recollect score: policies' scores on tensors of a file, to be checked against another
// implementation.
import { createWasmBackend } from '../../backend/wasm/backend.ts';
import { OptionError } from '../../errors.ts';
import { scoreTensors } from '../../eval/score.ts';
import { scoredNames } from '../../eval/scored-policies.ts';
import type { TensorFile } from '../../eval/tensor-file.ts';
import * as kinds from '../../options/kinds.ts';
import { asList, option, pick } from '../../options/table.ts';
import { optionTables } from '../../session/options.ts';
import { defineCommand } from '../command.ts';
import { readText } from '../files.ts';
import { fold, LINE } from '../words.ts';

const own = {
  tensors: option(kinds.filledText, {
    isRequired: true,
    flag: 'tensors FILE.json',
    summary: 'what to score',
  }),
  policy: asList(
    option(kinds.text, {
      flag: 'policy NAME',
      summary: 'names as above, and others that need no more than there is',
      otherwise: 'those above',
    }),
  ),
};

export const score = defineCommand({
  name: 'score',
  summary: "policies' scores and kept rows for tensors of a file, as JSON",
  groups: {
    own: { title: '', table: own },
    load: { ...optionTables.load, table: pick(optionTables.load.table, 'build') },
  },
  intro: `
FILE, with everything after RoPE:
  {"shape": {Hq, Hkv, n, d, window, patched, D, budget},
   "keys", "values" [Hkv, n, d], "windowQueries" [Hq, window, d],
   "patchedQueries" [Hq, patched, d], "Wo" [Hq * d, D],
   "layerBudgets": {"similarity", "cases": [{M, alpha, rows}]}}
Prints {"scores": {policy: [Hkv, n]},
        "kept": {policy: {uniform, adaptive, adaptive-safeguard-0.2}},
        "layerBudgets"}
for
${fold(scoredNames().join(', '), LINE - 1)}
Options marked * may be repeated, or lists with commas.`,
  async run(_, { own: { tensors, policy = scoredNames() }, load }, terminal) {
    const text = await readText(tensors);
    let file: TensorFile;
    try {
      file = JSON.parse(text) as TensorFile;
    } catch (cause) {
      throw new OptionError(`'${tensors}' is no JSON (${(cause as Error).message})`, { cause });
    }
    const backend = createWasmBackend(load.build);
    try {
      terminal.print(JSON.stringify(await scoreTensors(file, policy, backend)));
    } finally {
      backend.dispose();
    }
  },
});
