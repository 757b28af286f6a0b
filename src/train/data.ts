// Lines of text or messages, as examples that are learned from. Everything is checked before
// anything is trained: what is wrong is told with its line.
import { describeValue } from '../arguments.ts';
import { OptionError } from '../errors.ts';
import type { Model } from '../engine/model.ts';
import { hashText } from '../math/rng.ts';
import type { Message } from '../model/chat-template.ts';
import { Transcript } from '../session/transcript.ts';
import { type Example, shuffled } from './batches.ts';
import { repliesIn } from './replies.ts';

/** A text as the model reads it, or a conversation, which the chat template makes a text of. */
export type TrainingLine = { readonly text: string } | { readonly messages: readonly Message[] };

export const lossKinds = ['auto', 'replies', 'all'] as const;
/** What of a line is learned: 'auto' means replies of messages, and all of a text. */
export type LossKind = (typeof lossKinds)[number];

/** Most characters of a line: beyond is no training text. */
const MOST_CHARS = 1 << 24;

/**
 * Lines of JSON. Throws OptionError for lines that are empty or no JSON, naming them; an end of
 * line behind the last one is no line.
 */
export function parseLines(text: string, file: string): unknown[] {
  const lines = text.split(/\r?\n/);
  if (lines[lines.length - 1] === '') lines.pop();
  if (lines.length === 0)
    throw new OptionError(`${file}: no lines, expected one JSON object a line`);
  return lines.map((line, i) => {
    const where = `${file}: line ${i + 1}`;
    if (line.trim() === '') throw new OptionError(`${where} is empty: take it out`);
    if (line.length > MOST_CHARS)
      throw new OptionError(`${where} has ${line.length} characters: split it`);
    try {
      return JSON.parse(line) as unknown;
    } catch (cause) {
      throw new OptionError(
        `${where} is no JSON (${(cause as Error).message}): expected {"text": ...} or ` +
          `{"messages": [...]}`,
        { cause },
      );
    }
  });
}

/** Checks the shape of a line. Throws OptionError that names it. */
export function readLine(value: unknown, where: string): TrainingLine {
  const line = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const { text, messages } = line;
  if ((text === undefined) === (messages === undefined))
    throw new OptionError(
      `${where} has ${text === undefined ? 'neither "text" nor' : 'both "text" and'} "messages", ` +
        `expected one of them`,
    );
  if (messages === undefined) {
    if (typeof text !== 'string' || text === '')
      throw new OptionError(`${where}: "text" is ${describeValue(text)}, expected some text`);
    return { text };
  }
  if (!Array.isArray(messages) || messages.length === 0)
    throw new OptionError(
      `${where}: "messages" is ${describeValue(messages)}, expected a list of them`,
    );
  for (const [i, message] of (messages as unknown[]).entries()) {
    const { role, content, tool_calls: calls } = (message ?? {}) as Partial<Message>;
    // an answer that just calls tools says nothing
    const isSilent = content === null && Array.isArray(calls) && calls.length > 0;
    const isContent = typeof content === 'string' || Array.isArray(content) || isSilent;
    if (typeof role !== 'string' || !isContent)
      throw new OptionError(
        `${where}: message ${i + 1} is ${describeValue(message)}, expected a role and a content`,
      );
  }
  return { messages: messages as Message[] };
}

export interface ExampleOptions {
  readonly loss: LossKind;
  /** Most tokens of an example. */
  readonly length: number;
  /** Where lines are from, for messages: a file's name. */
  readonly file: string;
}

/**
 * The examples of lines. Throws OptionError that names the line for one that is too long, or from
 * which nothing would be learned.
 */
export function readExamples(
  model: Pick<Model, 'tokenizer' | 'chatTemplate'>,
  lines: readonly unknown[],
  { loss, length, file }: ExampleOptions,
): Example[] {
  if (!Array.isArray(lines))
    throw new OptionError(
      `${file} is ${describeValue(lines)}, expected a list of { text } or { messages }`,
    );
  return (lines as readonly unknown[]).flatMap((value, i) => {
    const where = `${file}: line ${i + 1}`;
    const line = readLine(value, where);
    const found =
      'text' in line ? textOf(model, line.text, loss, where) : messagesOf(model, line, loss, where);
    for (const { tokens, isLearned } of found) {
      if (tokens.length > length)
        throw new OptionError(
          `${where} has ${tokens.length} tokens, at most ${length} are trained on at once: ` +
            `split it, or allow more length (the model's context at most)`,
        );
      if (!isLearned.includes(true, 1))
        throw new OptionError(`${where} has nothing to learn from: at least two tokens are needed`);
    }
    return found.map((example) => ({ ...example, line: i + 1 }));
  });
}

/** Examples that are learned from, and those that are kept apart. */
export interface Lines {
  readonly learned: readonly Example[];
  readonly heldOut: readonly Example[];
}

/**
 * A share of the lines set apart, drawn from the seed. A line's examples stay together: what is
 * measured was not learned under another name.
 */
export function splitHeldOut(examples: readonly Example[], share: number, seed: number): Lines {
  const lines = [...new Set(examples.map(({ line }) => line))];
  const count = Math.min(lines.length - 1, Math.floor(lines.length * share));
  const order = shuffled(lines.length, hashText('held out', seed)).slice(0, count);
  const apart = new Set(order.map((i) => lines[i]));
  return {
    learned: examples.filter(({ line }) => !apart.has(line)),
    heldOut: examples.filter(({ line }) => apart.has(line)),
  };
}

type Part = Omit<Example, 'line'>;

function textOf(
  { tokenizer }: Pick<Model, 'tokenizer'>,
  text: string,
  loss: LossKind,
  where: string,
): Part[] {
  if (loss === 'replies')
    throw new OptionError(
      `${where} is a text and has no replies: give messages, or let all of it be learned ` +
        `(loss 'all')`,
    );
  const transcript = new Transcript(tokenizer);
  transcript.append(text);
  const tokens = transcript.ids.slice(0);
  return [{ tokens, isLearned: tokens.map((_, i) => i > 0) }];
}

function messagesOf(
  { tokenizer, chatTemplate }: Pick<Model, 'tokenizer' | 'chatTemplate'>,
  { messages }: { readonly messages: readonly Message[] },
  loss: LossKind,
  where: string,
): Part[] {
  try {
    if (loss === 'all')
      return textOf({ tokenizer }, chatTemplate.render(messages, false), loss, where);
    if (!messages.some(({ role }) => role === 'assistant'))
      throw new OptionError(
        `there is no reply (a message of role 'assistant') to learn: add one, or let all be ` +
          `learned (loss 'all')`,
      );
    return repliesIn(messages, tokenizer, chatTemplate);
  } catch (cause) {
    if (!(cause instanceof OptionError) || cause.message.startsWith(where)) throw cause;
    throw new OptionError(`${where}: ${cause.message}`, { cause });
  }
}
