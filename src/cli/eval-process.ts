// A process of an evaluation: loads the model once, then does units that its parent sends, one
// after the other.
import { failureOf } from '../errors.ts';
import { readDialogues } from '../eval/datasets/registry.ts';
import { type EvalSetup, evaluateDialogue } from '../eval/evaluate.ts';
import type { Unit } from '../eval/sweep.ts';
import { loadModel } from '../engine/model.ts';
import { readText } from './files.ts';
import type { LoadChoices } from './load.ts';

export interface Job {
  readonly model: string;
  readonly data: string;
  readonly format?: string;
  /** How each process loads the model. */
  readonly load: LoadChoices;
  readonly setups: readonly EvalSetup[];
}

const job = JSON.parse(process.argv[2]) as Job;
const model = await loadModel(job.model, job.load);
const dialogues = readDialogues(await readText(job.data), job.data, job.format);
process.on('message', ({ setup, dialogue }: Unit) => {
  evaluateDialogue(model, dialogues[dialogue], job.setups[setup]).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: failureOf(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
