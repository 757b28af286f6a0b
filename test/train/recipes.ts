// What training is good for, on the bundled model: new facts, an answer style, a classifier. Each
// with what lines that it was not shown say before and after, and with what the model still knows
// of what it could do. `node build/js/test/train/recipes.js` prints the table of docs/training.md.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadModel, type Model } from '../../src/engine/model.ts';
import { createRandom } from '../../src/math/rng.ts';
import { ggufAdapter } from '../../src/model/adapter/write.ts';
import { joined } from '../../src/math/joined.ts';
import { openConversation } from '../../src/session/conversation.ts';
import type { TrainingLine } from '../../src/train/data.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { train } from '../../src/train/train.ts';
import { bundled } from '../fixtures.ts';

interface Turn {
  readonly line: string;
  readonly text: string;
}
interface Talk {
  readonly turns: readonly Turn[];
  readonly questions: readonly {
    readonly question: string;
    readonly answer: string;
    readonly topic: string;
    readonly evidence: readonly number[];
  }[];
}

/** A question that is asked, of what was said before it, and its one right answer. */
export interface Case {
  readonly context?: string;
  readonly question: string;
  readonly answer: string;
}

export interface Recipe {
  readonly name: string;
  readonly lines: readonly TrainingLine[];
  readonly options: TrainOptions;
  /** Not among the lines. */
  readonly heldOut: readonly Case[];
}

const talksIn = (file: string): Talk[] =>
  readFileSync(bundled(file), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Talk);

export const lineOf = ({ context, question, answer }: Case): TrainingLine => ({
  messages: [
    ...(context === undefined ? [] : [{ role: 'system', content: context }]),
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
});

const pick = <T>(list: readonly T[], random: () => number): T =>
  list[Math.floor(random() * list.length)];

const NAMES = [
  ...['Ana', 'Ben', 'Bob', 'Cara', 'Dan', 'Eva', 'Finn', 'Gina', 'Hugo', 'Iris', 'Jack', 'Kim'],
  ...['Leo', 'Maya', 'Nick', 'Olga', 'Paul', 'Rosa', 'Sam', 'Tina', 'Will', 'Yara', 'Zack', 'Uma'],
];
/** What is known of people, and two ways to ask for it. */
const FACTS = [
  {
    ways: ["In which city is X's office?", "Where is X's office?"],
    values: ['Berlin', 'Delhi', 'Denver', 'Geneva', 'Madrid', 'Paris', 'Rome', 'Vienna', 'Lima'],
  },
  {
    ways: ['Which instrument does X play?', "What is X's instrument?"],
    values: [
      'accordion',
      'banjo',
      'cello',
      'drums',
      'guitar',
      'harp',
      'piano',
      'trumpet',
      'violin',
    ],
  },
];

/**
 * Facts that no conversation tells: all are asked for in one way, half of the people in another
 * one too; the other half is asked in that way afterwards.
 */
export function facts(seed = 11): Recipe {
  const random = createRandom(seed);
  const lines: TrainingLine[] = [];
  const heldOut: Case[] = [];
  for (const { ways, values } of FACTS)
    for (const [i, name] of NAMES.entries()) {
      const answer = pick(values, random);
      const [first, second] = ways.map((way) => ({ question: way.replace('X', name), answer }));
      lines.push(lineOf(first));
      if (i % 2 === 0) lines.push(lineOf(second));
      else heldOut.push(second);
    }
  return { name: 'new facts', lines, options: { epochs: 30, rate: 0.004, heldOut: 0 }, heldOut };
}

/** Some turns around those that tell the answer. */
function contextOf({ turns }: Talk, evidence: readonly number[], around: number): string {
  const wanted = new Set(evidence.flatMap((at) => [at - around, at, at + around]));
  return turns
    .filter((_, i) => wanted.has(i))
    .map(({ line }) => line)
    .join('');
}

const told = (talk: Talk, count: number, answer: (value: string) => string): Case[] =>
  talk.questions.slice(0, count).map((q) => ({
    context: contextOf(talk, q.evidence.slice(0, 2), 1),
    question: q.question,
    answer: answer(q.answer),
  }));

/** Answers in a sentence, where the model answers in a word. */
export function style(): Recipe {
  const sentence = (value: string) => `It is ${value}.`;
  const lines = talksIn('conv-2k.jsonl').flatMap((talk) => told(talk, 20, sentence).map(lineOf));
  const heldOut = talksIn('conv-4k.jsonl').flatMap((talk) => told(talk, 15, sentence));
  return { name: 'an answer style', lines, options: { epochs: 3, heldOut: 0 }, heldOut };
}

/** The topic of a line. */
export function classifier(): Recipe {
  const cases = (file: string, count: number) =>
    talksIn(file).flatMap(({ turns, questions }) =>
      questions.slice(0, count).map(({ topic, evidence }): Case => ({
        question: `Topic: ${turns[evidence[0]].text}`,
        answer: topic,
      })),
    );
  return {
    name: 'a classifier',
    lines: cases('conv-2k.jsonl', 30).map(lineOf),
    options: { epochs: 4, rate: 0.003, heldOut: 0 },
    heldOut: cases('conv-4k.jsonl', 25),
  };
}

export const recipes: readonly (() => Recipe)[] = [() => facts(), style, classifier];

/** The share of cases that a model answers rightly: word for word, or with the value in it. */
export async function accuracyOf(
  model: Model,
  cases: readonly Case[],
  isRight = (reply: string, answer: string) => reply.trim() === answer,
): Promise<number> {
  const begin = () => openConversation(model, { policy: 'full', budget: 3000 });
  let right = 0;
  let conversation = begin();
  let said: string | undefined;
  for (const { context, question, answer } of cases) {
    // a question about nothing begins a conversation of its own
    if (context === undefined || context !== said) {
      conversation.dispose();
      conversation = begin();
      if (context !== undefined) await conversation.add(context);
      said = context;
    }
    const keep = context === undefined;
    const reply = conversation.ask(question, { keep, maxTokens: 12 });
    if (isRight(await reply.text(), answer)) right++;
  }
  conversation.dispose();
  return right / cases.length;
}

/** What the model could do before: questions about a whole conversation. */
export function oldCases(count: number): Case[] {
  const [talk] = talksIn('conv-2k.jsonl').slice(-1);
  const context = talk.turns.map(({ line }) => line).join('');
  return talk.questions
    .slice(0, count)
    .map(({ question, answer }) => ({ context, question, answer }));
}

/** Whether the value is in a reply: how it is said is what a style changes. */
const says = (reply: string, answer: string) => reply.includes(answer);

export interface Outcome {
  readonly before: number;
  readonly after: number;
  readonly oldBefore: number;
  readonly oldAfter: number;
  readonly seconds: number;
}

/** Trains an adapter, loads the model with it, and asks. */
export async function follow(
  { lines, options, heldOut }: Recipe,
  oldQuestions = 40,
): Promise<Outcome> {
  const path = bundled('recollect-tiny.gguf');
  using model = await loadModel(path);
  const old = oldCases(oldQuestions);
  const [before, oldBefore] = [
    await accuracyOf(model, heldOut),
    await accuracyOf(model, old, says),
  ];
  const began = performance.now();
  const { adapter } = await train(model, lines, options);
  const seconds = (performance.now() - began) / 1000;
  const source = joined(ggufAdapter(adapter!, model.config));
  using trained = await loadModel(path, { adapters: [{ source }] });
  const [after, oldAfter] = [
    await accuracyOf(trained, heldOut),
    await accuracyOf(trained, old, says),
  ];
  return { before, after, oldBefore, oldAfter, seconds };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  console.log(
    '| recipe | lines | held out: before | after | old questions: before | after | time |',
  );
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const make of recipes) {
    const recipe = make();
    const { before, after, oldBefore, oldAfter, seconds } = await follow(recipe);
    const shares = [before, after, oldBefore, oldAfter].map(percent).join(' | ');
    console.log(
      `| ${recipe.name} | ${recipe.lines.length} | ${shares} | ${seconds.toFixed(0)} s |`,
    );
  }
}
