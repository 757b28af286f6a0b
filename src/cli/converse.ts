// A conversation between a person and a model: what is said, what begins with a slash, and Ctrl-C.
// Nothing that goes wrong with a turn ends it.
import { cacheRowBytes } from '../cache/shape.ts';
import { RecollectError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import type { AskOptions, Conversation, Reply } from '../session/conversation.ts';
import type { Terminal } from './command.ts';
import { openPrompt, type Prompt } from './prompt.ts';
import { fold, meant } from './words.ts';

export interface ChatSetup {
  /** Opens the conversation; again for /clear. */
  readonly open: () => Conversation;
  /** The budget, as it was given. */
  readonly budget: string;
  readonly context?: string;
  readonly system?: string;
  readonly ask: AskOptions;
  readonly verbose: boolean;
}

interface Chat {
  readonly setup: ChatSetup;
  readonly terminal: Terminal;
  conversation: Conversation;
  /** What the system was told, for /clear to say again. */
  systems: string[];
  /** The last reply's. */
  seed: number | undefined;
  /** Ends what is under way; undefined: nothing is. */
  stop: AbortController | undefined;
  leaving: boolean;
}

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

/**
 * Talks until there is nothing more to say. Disposes of the conversation. Rejects where it was
 * ended by a signal.
 */
export async function converse(
  setup: ChatSetup,
  terminal: Terminal,
  greeting: string,
): Promise<void> {
  const chat: Chat = {
    setup,
    terminal,
    conversation: setup.open(),
    systems: setup.system === undefined ? [] : [setup.system],
    seed: setup.ask.seed,
    stop: undefined,
    leaving: false,
  };
  let prompt: Prompt | undefined;
  const close = () => prompt?.close();
  try {
    await begin(chat, terminal.signal);
    terminal.note(fold(`${describe(chat.conversation)}, ${greeting}`, LETTERS));
    if (terminal.isInteractive)
      terminal.note('/help lists commands, Ctrl-C ends a reply, Ctrl-D the chat');
    let interrupts = 0;
    const onInterrupt = () => {
      interrupts++;
      if (chat.stop && interrupts === 1) return chat.stop.abort();
      if (chat.stop || !terminal.isInteractive) return terminal.interrupt();
      if (prompt?.clear()) {
        interrupts = 0;
        return;
      }
      if (interrupts > 1) return close();
      terminal.print('');
      terminal.note('(Ctrl-C again, Ctrl-D or /exit ends the chat)');
      prompt?.redraw();
    };
    prompt = openPrompt(terminal, onInterrupt);
    terminal.onInterrupt = onInterrupt;
    terminal.signal.addEventListener('abort', close, { once: true });
    while (!chat.leaving) {
      const said = await prompt.next();
      if (said === undefined || terminal.signal.aborted) break;
      interrupts = 0;
      await respond(chat, said.trim());
      terminal.signal.throwIfAborted();
      if (terminal.isInteractive) interrupts = 0;
    }
    if (terminal.isInteractive && !chat.leaving) terminal.print('');
  } finally {
    terminal.onInterrupt = undefined;
    terminal.signal.removeEventListener('abort', close);
    close();
    chat.conversation.dispose();
  }
  terminal.signal.throwIfAborted();
}

async function respond(chat: Chat, said: string): Promise<void> {
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

/** Does what can be ended by Ctrl-C. Tells what went wrong; only faults of our own end the chat. */
async function work(
  chat: Chat,
  what: (signal: AbortSignal) => Promise<void>,
): Promise<'done' | 'stopped' | 'failed'> {
  const { terminal } = chat;
  const stop = new AbortController();
  const end = () => stop.abort(terminal.signal.reason);
  terminal.signal.addEventListener('abort', end, { once: true });
  chat.stop = stop;
  try {
    terminal.signal.throwIfAborted();
    await what(stop.signal);
    return 'done';
  } catch (error) {
    terminal.progress('');
    terminal.signal.throwIfAborted();
    if (stop.signal.aborted) return 'stopped';
    if (!(error instanceof RecollectError)) throw error;
    terminal.endLine();
    terminal.note(error.message);
    return 'failed';
  } finally {
    chat.stop = undefined;
    terminal.signal.removeEventListener('abort', end);
  }
}

async function say(chat: Chat, question: string): Promise<void> {
  const { conversation, terminal, setup } = chat;
  const before = conversation.statistics;
  let reply: Reply | undefined;
  let said = '';
  const how = await work(chat, async (signal) => {
    reply = conversation.ask(question, { ...setup.ask, signal, onProgress: reading(terminal) });
    for await (const piece of reply) {
      terminal.write(terminal.columns === undefined ? piece : harmless(piece));
      said += piece;
    }
    terminal.progress('');
  });
  if (said === '' && how === 'done') terminal.print('');
  else terminal.endLine();
  // what is not drawn has no seed
  if (setup.ask.temperature) chat.seed = reply?.seed ?? chat.seed;
  if (how === 'stopped') return keep(chat, question, said);
  if (how === 'failed') return;
  const { decodeTokens, decodeMs, firstTokenMs } = conversation.statistics;
  const tokens = decodeTokens - before.decodeTokens;
  if (reply?.finishReason === 'length') {
    const most = setup.ask.maxTokens ?? DEFAULT_REPLY_TOKENS;
    terminal.note(
      tokens + 1 >= most
        ? `(cut off after ${most} tokens: --max-tokens allows more)`
        : '(cut off: there is no room for more; a larger --budget has some, or a --policy that ' +
            'evicts)',
    );
  }
  if (setup.verbose) {
    const rate = rateOf(tokens, decodeMs - before.decodeMs);
    const seed = chat.seed === undefined ? '' : `, seed ${chat.seed}`;
    terminal.note(`(first token after ${firstTokenMs.toFixed(0)} ms, then ${rate}${seed})`);
  }
}

/**
 * A reply that was ended: what was said of it stays in the conversation, as its reader has seen it.
 */
async function keep(chat: Chat, question: string, said: string): Promise<void> {
  const { conversation, terminal, setup } = chat;
  if (setup.ask.keep === false) return terminal.note('(stopped)');
  if (said.trim() === '')
    return terminal.note('(stopped before the reply began: the question is taken back)');
  const turn =
    setup.ask.template === false
      ? question + said
      : [
          { role: 'user', content: question },
          { role: 'assistant', content: said.trim() },
        ];
  const how = await work(chat, (signal) => conversation.add(turn, { signal }));
  if (how === 'done') terminal.note('(stopped; what was said so far is kept)');
}

/** Tells the conversation what it begins with. */
async function begin(chat: Chat, signal: AbortSignal): Promise<void> {
  const { conversation, terminal, setup } = chat;
  const onProgress = reading(terminal);
  const systems = chat.systems.map((content) => ({ role: 'system', content }));
  if (systems.length > 0) await conversation.add(systems, { signal, onProgress });
  if (setup.context !== undefined) await conversation.add(setup.context, { signal, onProgress });
  terminal.progress('');
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

/** Letters of a line of remarks. */
const LETTERS = 79;
const DEFAULT_REPLY_TOKENS = 256;
/** Below this nobody waits. */
const PROGRESS_TOKENS = 256;

function reading(terminal: Terminal): AskOptions['onProgress'] {
  return ({ doneTokens, totalTokens }) => {
    if (totalTokens > PROGRESS_TOKENS)
      terminal.progress(`reading: ${doneTokens} of ${totalTokens} tokens`);
  };
}

/** Text without what a terminal would obey: a model may write anything. */
const harmless = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');

const rateOf = (tokens: number, ms: number) =>
  ms > 0 && tokens > 0 ? `${(tokens / (ms / 1000)).toFixed(1)} tokens/s` : 'none yet';

function describe({ memory, statistics }: Conversation): string {
  return (
    `${formatBytes(memory.promisedBytes)} promised, ${statistics.budgetRows} tokens kept a ` +
    `head by ${statistics.policy}`
  );
}

function memoryOf({ conversation, setup, seed }: Chat): string {
  const { memory, plan, statistics } = conversation;
  const heads = plan.shape.kvHeads * plan.shape.keptRows.length;
  const rows = memory.cacheBytes / cacheRowBytes(plan.shape.headDim, plan.shape.rowType) / heads;
  const lines: [string, string][] = [
    ['policy', `${statistics.policy}, ${plan.heads} heads, blocks of ${plan.blockSize} tokens`],
    ['budget', `${setup.budget}: ${statistics.budgetRows} tokens kept a head`],
    ['promised', `${formatBytes(memory.promisedBytes)}, reserved since the chat began`],
    ['in use', `${formatBytes(memory.peakBytes)} at most so far`],
    [
      'cache',
      `${formatBytes(memory.cacheBytes)} now, ${formatBytes(memory.peakCacheBytes)} at most so far`,
    ],
    ['rows', `${Math.round(rows)} cached a head now, of type ${plan.rowType}`],
    ['tokens', `${statistics.tokens} in the conversation`],
  ];
  if (memory.storedBytes > 0)
    lines.push(['episodes', `${formatBytes(memory.storedBytes)} stored in memory`]);
  if (memory.historyBytes > 0)
    lines.push([
      'history',
      `${formatBytes(memory.historyBytes)} of text, beside the promise; it grows`,
    ]);
  lines.push(['seed', seed === undefined ? 'none: replies are greedy (--temperature)' : `${seed}`]);
  return lines.map(([name, what]) => `${name.padEnd(8)}  ${what}`).join('\n');
}

function statisticsOf({ memory, statistics }: Conversation): string {
  return [
    `${statistics.tokens} tokens so far, ${formatBytes(memory.cacheBytes)} of cache, ` +
      `${statistics.budgetRows} tokens kept a head`,
    `memory: ${formatBytes(memory.peakBytes)} at most so far, ` +
      `${formatBytes(memory.promisedBytes)} promised`,
    `reading ${rateOf(statistics.prefillTokens, statistics.prefillMs)}, replying ` +
      `${rateOf(statistics.decodeTokens, statistics.decodeMs)}`,
  ].join('\n');
}
