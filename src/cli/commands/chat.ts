// recollect chat: an interactive conversation that goes on past its budget.
import type { Model } from '../../engine/model.ts';
import { OptionError } from '../../errors.ts';
import * as kinds from '../../options/kinds.ts';
import { option, withDefault, without } from '../../options/table.ts';
import { openConversation } from '../../session/conversation.ts';
import { type ConversationOptions, optionTables } from '../../session/options.ts';
import { readProfile } from '../../session/profile.ts';
import { defineCommand, UsageError } from '../command.ts';
import { help } from '../chat/commands.ts';
import { converse } from '../chat/converse.ts';
import { readText } from '../files.ts';
import { aboutModels, describeKernels, loadWithProgress } from '../load.ts';
import { startedAs } from '../words.ts';

const own = {
  system: option(kinds.text, { flag: 'system TEXT', summary: 'the system message' }),
  context: option(kinds.filledText, {
    flag: 'context FILE',
    summary: 'text to take in before the first question',
  }),
  verbose: option(kinds.flag, {
    default: false,
    flag: 'verbose',
    summary: 'tell speed and seed after each reply',
  }),
};
// --seed is that of replies
const memory = {
  ...without(optionTables.memory.table, 'seed'),
  budget: withDefault(optionTables.memory.table.budget, '64MB'),
};

export const chat = defineCommand({
  name: 'chat',
  summary: 'a conversation that goes on past its budget',
  operands: ['MODEL'],
  about: aboutModels,
  groups: {
    own: { title: '', table: own },
    memory: { ...optionTables.memory, table: memory },
    replies: optionTables.replies,
    load: optionTables.load,
    axes: optionTables.axes,
    episodes: optionTables.episodes,
  },
  intro: `
Talks with a model (a .gguf path or URL). Whatever the conversation's length,
its memory stays within --budget. What is said is read from standard input, a
line a turn; pasted lines are one turn.

In the chat:
${help()}`,
  async run([input], { own, memory, replies, load, axes, episodes }, terminal) {
    const { system } = own;
    if (system?.trim() === '') throw new UsageError('--system is empty, expected a text');
    if (!replies.keep && system === undefined && own.context === undefined)
      throw new UsageError(
        '--independent needs something to ask about: --context FILE or --system TEXT',
      );
    const context = own.context === undefined ? undefined : await readText(own.context);
    const model = await loadWithProgress(input, terminal, load);
    try {
      const options = { ...memory, ...axes, episodes, ...(await profileFor(memory.layers, model)) };
      const source = model.metadata['tokenizer.chat_template'];
      const template = typeof source === 'string' && source.trim() !== '';
      if (!template)
        terminal.note(
          'the model has no chat template: it goes on with what you say, as with any text',
        );
      const setup = {
        open: () => openConversation(model, options),
        budget: String(memory.budget),
        context,
        system,
        ask: { ...replies, template },
        verbose: own.verbose,
      };
      await converse(setup, terminal, describeKernels(model, load));
    } finally {
      model.dispose();
    }
  },
});

/** What --layers sensitivity needs beside it. */
async function profileFor(
  layers: ConversationOptions['layers'],
  model: Model,
): Promise<Pick<ConversationOptions, 'sensitivity'>> {
  if (layers !== 'sensitivity') return {};
  const profile = await readProfile(model);
  if (profile) return { sensitivity: profile.similarity };
  throw new OptionError(
    `--layers sensitivity needs the model's profile: make it with ${startedAs()} profile MODEL ` +
      `--text FILE`,
  );
}
