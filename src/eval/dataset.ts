// Conversations with questions, one JSON object a line (models/README.md draws the format).
import { OptionError } from '../errors.ts';

export interface Question {
  readonly question: string;
  readonly answer: string;
  readonly topic?: string;
  /** Indices of the turns that state the answer. */
  readonly evidence: readonly number[];
}

export interface Dialogue {
  readonly id: string;
  /** Each turn exactly as the model reads it. */
  readonly turns: readonly { readonly line: string }[];
  readonly questions: readonly Question[];
}

/** Reads JSON lines. Throws OptionError naming the line that is wrong, and what it lacks. */
export function readDialogues(text: string, name: string): Dialogue[] {
  const lines = text
    .split('\n')
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '');
  if (lines.length === 0) throw new OptionError(`${name} holds no conversation: expected one JSON object a line`);
  return lines.map(({ line, number }) => {
    const refuse = (why: string): never => {
      throw new OptionError(`${name}, line ${number}: ${why}`);
    };
    let value: Partial<Dialogue>;
    try {
      value = JSON.parse(line) as Partial<Dialogue>;
    } catch (cause) {
      throw new OptionError(`${name}, line ${number}: no JSON (${(cause as Error).message})`, { cause });
    }
    if (value === null || typeof value !== 'object' || !Array.isArray(value.turns)) refuse("expected an object with 'turns'");
    const turns = value.turns!;
    if (turns.length === 0) refuse('the conversation is empty: it has no turns');
    const bad = turns.findIndex((turn) => typeof turn?.line !== 'string');
    if (bad >= 0) refuse(`turn ${bad} has no 'line', the text as the model reads it`);
    if (!Array.isArray(value.questions) || value.questions.length === 0) refuse("expected 'questions' with at least one");
    const questions = value.questions!.map((q, i): Question => {
      if (typeof q?.question !== 'string' || (typeof q.answer !== 'string' && typeof q.answer !== 'number'))
        refuse(`question ${i} needs 'question' and 'answer'`);
      return {
        question: q.question,
        answer: String(q.answer),
        topic: q.topic,
        evidence: Array.isArray(q.evidence) ? q.evidence.filter((e) => turns[e] !== undefined) : [],
      };
    });
    return { id: String(value.id ?? number), turns, questions };
  });
}
