// What a model answers about a text that does not fit into its budget.
import { readFileSync } from 'node:fs';
import type { Model } from '../../src/engine/model.ts';
import { type ConversationOptions, openConversation } from '../../src/index.ts';
import { bundled } from '../fixtures.ts';

const text = readFileSync(bundled('conv-2k.jsonl'), 'utf8');

export async function answerOf(
  model: Model,
  options: Omit<ConversationOptions, 'budget'>,
  length: number,
): Promise<string> {
  const few = { budget: 120, blockSize: 64, ...options };
  await using conversation = openConversation(model, few);
  await conversation.add(text.slice(0, length));
  return await conversation.ask("What is the name of Ana's dog?", { maxTokens: 10 }).text();
}
