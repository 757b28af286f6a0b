// recollect score: policies' scores on tensors of a file, to be checked against another
// implementation.
import { createWasmBackend } from '../../backend/wasm/backend.ts';
import { OptionError } from '../../errors.ts';
import { scoreTensors } from '../../eval/score.ts';
import { scoredNames } from '../../eval/scored-policies.ts';
import type { TensorFile } from '../../eval/tensor-file.ts';
import { type Command, oneOf, UsageError } from '../command.ts';
import { fold } from '../words.ts';
import { readText } from '../files.ts';

export const score: Command = {
  name: 'score',
  summary: "policies' scores and kept rows for tensors of a file, as JSON",
  operands: [],
  options: {
    tensors: { type: 'string' },
    policy: { type: 'string', multiple: true },
    build: { type: 'string' },
  },
  help: `
usage: recollect score --tensors FILE.json [--policy NAME ...]

FILE, with everything after RoPE:
  {"shape": {Hq, Hkv, n, d, window, patched, D, budget},
   "keys", "values" [Hkv, n, d], "windowQueries" [Hq, window, d],
   "patchedQueries" [Hq, patched, d], "Wo" [Hq * d, D],
   "layerBudgets": {"similarity", "cases": [{M, alpha, rows}]}}
Prints {"scores": {policy: [Hkv, n]},
        "kept": {policy: {uniform, adaptive, adaptive-safeguard-0.2}},
        "layerBudgets"}

  --tensors FILE  what to score
  --policy NAME   may be repeated, or listed with commas (default: those below)
  --build NAME    kernels to use: simd or relaxed

Policies, others too if they need no more than there is:
${fold(scoredNames().join(', '), 78)}`,
  async run(_, values, terminal) {
    if (typeof values.tensors !== 'string') throw new UsageError('--tensors FILE.json is missing');
    const text = await readText(values.tensors);
    let file: TensorFile;
    try {
      file = JSON.parse(text) as TensorFile;
    } catch (cause) {
      throw new OptionError(`'${values.tensors}' is no JSON (${(cause as Error).message})`, {
        cause,
      });
    }
    const names = ((values.policy as string[] | undefined) ?? []).flatMap((p) => p.split(','));
    const backend = createWasmBackend(
      oneOf('build', values.build, ['simd', 'relaxed'] as const) ?? 'auto',
    );
    try {
      terminal.print(
        JSON.stringify(scoreTensors(file, names.length > 0 ? names : scoredNames(), backend)),
      );
    } finally {
      backend.dispose();
    }
  },
};
