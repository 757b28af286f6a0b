// What add() and ask() are given, checked: texts and messages.
import { describeValue } from '../arguments.ts';
import { OptionError } from '../errors.ts';
import type { Message } from '../model/chat-template.ts';

/** A text (one utterance a line), utterances (each with its own line break), or messages. */
export type AddInput = string | readonly string[] | Message | readonly Message[];

/** The utterances and messages of what is added. Throws OptionError for nothing, or for others. */
export function readItems(input: AddInput): (string | Message)[] {
  const list = Array.isArray(input);
  const items = list ? (input as readonly (string | Message)[]) : [input as string | Message];
  // (a call of a tool says something without a content)
  const isEmpty = (item: string | Message) =>
    typeof item === 'string' ? item === '' : item?.content === '' && !item.tool_calls?.length;
  if (items.length === 0 || items.every(isEmpty))
    throw new OptionError('there is nothing to add: pass text, utterances or messages');
  return items.flatMap((item): (string | Message)[] => {
    if (typeof item === 'string') return list ? [item] : (item.match(/[^\n]*\n|[^\n]+$/g) ?? []);
    return [checkMessage(item)];
  });
}

/** Throws OptionError for what is no message. */
export function checkMessage(message: Message): Message {
  const { role, content, tool_calls: calls } = message ?? {};
  const parts = Array.isArray(content) && content.every((part) => typeof part?.type === 'string');
  if (typeof role === 'string' && (typeof content === 'string' || parts)) return message;
  // as other interfaces write an answer that only calls tools
  if (typeof role === 'string' && (content ?? null) === null && Array.isArray(calls) && calls[0])
    return { ...message, content: '' };
  const found =
    message !== null && typeof message === 'object'
      ? `role ${describeValue(role)} and content ${describeValue(content)} in an object with ` +
        `${Object.keys(message).slice(0, 5).join(', ') || 'nothing'}`
      : describeValue(message);
  throw new OptionError(
    `a message is { role, content }, the content a text or a list of parts { type, text }; ` +
      `found ${found}`,
  );
}
