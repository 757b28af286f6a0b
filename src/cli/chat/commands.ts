// What a person can say in a chat: commands, which begin with a slash, and everything else, which
// the model hears.
import { meant } from '../words.ts';
import { begin, type Chat, work } from './chat.ts';
import { memoryOf, statisticsOf } from './remarks.ts';
import { say } from './say.ts';

interface ChatCommand {
  readonly names: readonly string[];
  readonly operand?: string;
  readonly summary: string;
  run(chat: Chat, operand: string): void | Promise<void>;
}

const commands: readonly ChatCommand[] = [
  {
    names: ['help', '?'],
    summary: 'these commands',
    run: ({ terminal }) => terminal.print(help()),
  },
  {
    names: ['memory'],
    summary: 'what is promised, what is in use, what the cache holds',
    run: (chat) => chat.terminal.print(memoryOf(chat)),
  },
  {
    names: ['stats'],
    summary: 'memory and speed, in short',
    run: ({ conversation, terminal }) => terminal.print(statisticsOf(conversation)),
  },
  {
    names: ['system'],
    operand: '[TEXT]',
    summary: 'adds a system message (without TEXT: shows what there is)',
    run: addSystem,
  },
  { names: ['clear', 'reset'], summary: 'begins again: forgets what was said', run: beginAgain },
  {
    names: ['exit', 'quit', 'bye'],
    summary: 'ends the chat (Ctrl-D too)',
    run: (chat) => {
      chat.leaving = true;
    },
  },
];

/** The commands, for people. */
export function help(): string {
  const rows = commands.map((c): [string, string] => [
    `${c.names.map((n) => `/${n}`).join(', ')}${c.operand ? ` ${c.operand}` : ''}`,
    c.summary,
  ]);
  rows.push(
    ['//TEXT', 'says a text that begins with a slash: /TEXT'],
    ['"""', 'begins a text of several lines, and ends it'],
    ['Ctrl-C', 'ends the reply; what was said of it is kept'],
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`).join('\n');
}

/** Does what a line asks for: a command, or a turn. */
export async function respond(chat: Chat, said: string): Promise<void> {
  if (said === '') return;
  if (!said.startsWith('/') || said.includes('\n')) return say(chat, said);
  if (said.startsWith('//')) return say(chat, said.slice(1));
  const [, name, operand] = /^\/(\S*)\s*([\s\S]*)$/.exec(said)!;
  const command = commands.find((c) => c.names.includes(name.toLowerCase()));
  if (!command) {
    const names = commands.flatMap((c) => c.names);
    return chat.terminal.note(
      `no command '/${name}'${meant(name, names, '/')}: /help lists them; // says a text that ` +
        `begins with a slash`,
    );
  }
  if (operand !== '' && !command.operand) {
    return chat.terminal.note(`/${name} takes nothing behind it, found '${operand.slice(0, 40)}'`);
  }
  await command.run(chat, operand.trim());
}

async function addSystem(chat: Chat, content: string): Promise<void> {
  const { conversation, terminal, systems } = chat;
  if (content === '')
    return terminal.print(
      systems.length > 0 ? systems.join('\n') : 'no system message; /system TEXT adds one',
    );
  const first = conversation.statistics.tokens === 0;
  const how = await work(chat, (signal) =>
    conversation.add([{ role: 'system', content }], { signal }),
  );
  if (how !== 'done') return;
  systems.push(content);
  terminal.note(
    first
      ? '(the system message is set)'
      : '(the system message stands here, behind what was said so far)',
  );
}

async function beginAgain(chat: Chat): Promise<void> {
  const how = await work(chat, async (signal) => {
    chat.conversation.dispose();
    chat.conversation = chat.setup.open();
    await begin(chat, signal);
  });
  if (how === 'done') chat.terminal.note('(nothing was said yet)');
}
