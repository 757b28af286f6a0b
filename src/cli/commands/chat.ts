// recollect chat: an interactive conversation that goes on past its budget.
import { rowTypeNames } from '../../backend/dtype.ts';
import { createInterface } from 'node:readline';
import { DeviceError, RecollectError } from '../../errors.ts';
import { formatBytes } from '../../math/format.ts';
import { findPolicy } from '../../policy/registry.ts';
import { type Conversation, openConversation } from '../../session/conversation.ts';
import { anyNumber, type Command, oneOf, type Terminal, wholeNumber, wholeOrAuto } from '../command.ts';
import { loadWithProgress, readText } from '../load.ts';

export const chat: Command = {
  name: 'chat',
  summary: 'a conversation that goes on past its budget',
  operands: ['MODEL'],
  options: {
    budget: { type: 'string' },
    policy: { type: 'string' },
    block: { type: 'string' },
    context: { type: 'string' },
    heads: { type: 'string' },
    temperature: { type: 'string' },
    'top-k': { type: 'string' },
    'top-p': { type: 'string' },
    'min-p': { type: 'string' },
    seed: { type: 'string' },
    'max-tokens': { type: 'string' },
    independent: { type: 'boolean' },
    'cache-type': { type: 'string' },
    recall: { type: 'string' },
    episodes: { type: 'string' },
    threads: { type: 'string' },
    pipeline: { type: 'string' },
  },
  help: `
usage: recollect chat MODEL [--budget 64MB] [--policy keydiff] [--context FILE] ...

Talks with a model (a .gguf path or URL). Whatever the conversation's length, its memory stays within --budget.
Lines are read from standard input; /help tells the commands there. Ctrl-C ends a reply, twice at the prompt the program.

  --budget B         bytes for cache and working memory (64MB), or a number of tokens kept per kv head
  --policy NAME      what is kept (keydiff)
  --heads KIND       uniform or adaptive
  --block N          tokens forwarded, and evicted after, at a time (256)
  --context FILE     text to take in before the first question
  --independent      forget each question and reply before the next
  --cache-type T     f16, f32, or of few bits: int8, int4, int3, kivi-int8, -int4, -int3, -mixed4, -mixed3.5, -mixed3, -mixed2.5
  --recall R         rows, out of the budget, into which what a question needs is forwarded again (0)
  --episodes E       clusters of epicache, or auto (4)
  --max-tokens N     longest reply (256)
  --threads N        threads that share the work (default: by the cores there are)
  --pipeline N       workers that own some of the layers each (default: none, unless the model does not fit into one memory)
  --temperature T    0 = greedy (0)
  --top-k K --top-p P --min-p P --seed N`,
  async run([input], values, terminal) {
    const sampling = {
      temperature: anyNumber('temperature', values.temperature),
      topK: wholeNumber('top-k', values['top-k'], 0),
      topP: anyNumber('top-p', values['top-p']),
      minP: anyNumber('min-p', values['min-p']),
      seed: anyNumber('seed', values.seed),
      maxTokens: wholeNumber('max-tokens', values['max-tokens'], 1),
      keep: !values.independent,
    };
    const context = typeof values.context === 'string' ? await readText(values.context) : undefined;
    const model = await loadWithProgress(input, terminal, {
      threads: wholeNumber('threads', values.threads, 1),
      pipeline: wholeNumber('pipeline', values.pipeline, 1),
    });
    try {
      const conversation = openConversation(model, {
        budget: (values.budget as string | undefined) ?? '64MB',
        policy: typeof values.policy === 'string' ? findPolicy(values.policy) : undefined,
        blockSize: wholeNumber('block', values.block, 1),
        heads: oneOf('heads', values.heads, ['uniform', 'adaptive']),
        cacheType: oneOf('cache-type', values['cache-type'], rowTypeNames),
        recall: wholeNumber('recall', values.recall, 0),
        episodes: wholeOrAuto('episodes', values.episodes, 1),
      });
      try {
        await converse(conversation, context, sampling, terminal);
      } finally {
        conversation.dispose();
      }
    } finally {
      model.dispose();
    }
  },
};

const COMMANDS = `/help          this
/memory        what is promised and in use, tokens, speed
/system TEXT   a system message, where the conversation stands (at its beginning, if nothing was said yet)
/quit          ends; so do /exit and Ctrl-D
//...          a line that begins with /`;

type Sampling = Parameters<Conversation['ask']>[1];

async function converse(conversation: Conversation, context: string | undefined, sampling: Sampling, terminal: Terminal): Promise<void> {
  if (context !== undefined) {
    await conversation.add(context, { signal: terminal.signal, onProgress: (p) => terminal.progress(`reading: ${p.doneTokens} of ${p.totalTokens} tokens`) });
    terminal.progress('');
  }
  const { budgetRows, build, policy, threads, pipeline } = conversation.statistics;
  terminal.note(
    `${formatBytes(conversation.memory.promisedBytes)} promised, ${budgetRows} tokens kept a head by ${policy}, ${build} kernels, ${pipeline > 1 ? `layers in ${pipeline} workers` : `${threads} threads`}`,
  );
  const lines = createInterface({
    input: process.stdin,
    output: terminal.isInteractive ? process.stdout : undefined,
    prompt: '> ',
    terminal: terminal.isInteractive,
  });
  // readline takes Ctrl-C for itself where it reads from a terminal: it ends the reply, and the program only at a prompt, twice
  let replying: AbortController | undefined;
  let asked = false;
  lines.on('SIGINT', () => {
    if (replying) return replying.abort();
    if (asked) return lines.close();
    asked = true;
    terminal.note('\n(once more, or /quit, to leave)');
    lines.prompt();
  });
  const stop = () => {
    replying?.abort(terminal.signal.reason);
    lines.close();
  };
  terminal.signal.addEventListener('abort', stop, { once: true });
  /** Asks, and shows the reply as it comes, on lines of its own. */
  const reply = async (question: string): Promise<void> => {
    replying = new AbortController();
    let open = false;
    try {
      for await (const piece of conversation.ask(question, { ...sampling, signal: replying.signal })) {
        terminal.write(piece);
        open = !piece.endsWith('\n');
      }
      if (open) terminal.write('\n');
    } catch (error) {
      if (open) terminal.write('\n');
      if (!replying.signal.aborted || terminal.signal.aborted) throw error;
      terminal.note('(stopped: the question and what was said of its reply are not kept)');
    } finally {
      replying = undefined;
    }
  };
  try {
    if (terminal.isInteractive) lines.prompt();
    for await (const line of lines) {
      asked = false;
      const typed = line.trim();
      const [, command, rest] = /^\/([a-z]*)\s*(.*)$/s.exec(typed) ?? [];
      if (command === 'quit' || command === 'exit') break;
      try {
        if (typed.startsWith('//') || command === undefined) {
          if (typed !== '') await reply(typed.replace(/^\/\//, '/'));
        } else if (command === 'memory' || command === 'stats') terminal.print(report(conversation));
        else if (command === 'help') terminal.print(COMMANDS);
        else if (command === 'system' && rest !== '') await conversation.add({ role: 'system', content: rest }, { signal: terminal.signal });
        else terminal.note(command === 'system' ? 'say what: /system TEXT' : `no command /${command}; /help tells which there are, // begins a line with /`);
      } catch (error) {
        if (!(error instanceof RecollectError) || error instanceof DeviceError) throw error;
        terminal.note(error.message);
      }
      if (terminal.isInteractive) lines.prompt();
    }
  } finally {
    terminal.signal.removeEventListener('abort', stop);
    lines.close();
  }
  terminal.signal.throwIfAborted();
}

function report(conversation: Conversation): string {
  const { memory, statistics } = conversation;
  const rate = (tokens: number, ms: number) => (ms > 0 ? `${(tokens / (ms / 1000)).toFixed(1)} tokens/s` : 'none yet');
  return [
    `${statistics.tokens} tokens so far, ${formatBytes(memory.cacheBytes)} of cache, ${statistics.budgetRows} tokens kept a head`,
    `memory: ${formatBytes(memory.peakBytes)} at most so far, ${formatBytes(memory.promisedBytes)} promised`,
    `reading ${rate(statistics.prefillTokens, statistics.prefillMs)}, replying ${rate(statistics.decodeTokens, statistics.decodeMs)}`,
  ].join('\n');
}
