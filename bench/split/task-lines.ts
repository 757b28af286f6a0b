// The tasks that codecs are compared on: the recipes of docs/training.md, shortened, so that what
// numbers of few bits cost shows before all of them have learned all there is.
import { readExamples, type TrainingLine } from '../../src/train/data.ts';
import type { HalfModel } from '../../src/split/load.ts';
import { type Case, lineOf, recipes } from '../../test/train/recipes.ts';
import type { Task } from './task-trial.ts';

/** How much of a recipe is taken, and for how long. */
export interface Course {
  readonly lines: number;
  readonly heldOut: number;
  readonly epochs: number;
  readonly batch: number;
  readonly rate: number;
}

export const courses: Readonly<Record<string, Course>> = {
  'new facts': { lines: 72, heldOut: 24, epochs: 10, batch: 12, rate: 0.01 },
  'an answer style': { lines: 64, heldOut: 40, epochs: 1, batch: 2, rate: 0.01 },
  'a classifier': { lines: 192, heldOut: 96, epochs: 2, batch: 8, rate: 0.006 },
};

/** Members of a list at even distances. */
const spread = <T>(list: readonly T[], count: number): T[] =>
  Array.from(
    { length: Math.min(count, list.length) },
    (_, i) => list[Math.floor((i * list.length) / Math.min(count, list.length))],
  );

/** The tasks, as tokens of a model. */
export function tasksFor(
  model: Pick<HalfModel, 'tokenizer' | 'chatTemplate'>,
  wanted: Readonly<Record<string, Course>> = courses,
): Task[] {
  const read = (lines: readonly TrainingLine[], file: string) =>
    readExamples(model, lines, { loss: 'auto', length: 512, file });
  return recipes.flatMap((make) => {
    const { name, lines, heldOut } = make();
    const course = wanted[name];
    if (!course) return [];
    const cases: Case[] = spread(heldOut, course.heldOut);
    return {
      ...{ name, epochs: course.epochs, batch: course.batch, rate: course.rate },
      learned: read(spread(lines, course.lines), name),
      heldOut: read(cases.map(lineOf), `${name}, held out`),
    };
  });
}
