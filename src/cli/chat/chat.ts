// A chat's state, and what is done in it that Ctrl-C ends. Nothing that goes wrong with a turn ends
// the chat.
import { RecollectError } from '../../errors.ts';
import type { AskOptions, Conversation } from '../../session/conversation.ts';
import type { Terminal } from '../command.ts';

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

export interface Chat {
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

/** Does what can be ended by Ctrl-C. Tells what went wrong; only faults of our own end the chat. */
export async function work(
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

/** Tells the conversation what it begins with. */
export async function begin(chat: Chat, signal: AbortSignal): Promise<void> {
  const { conversation, terminal, setup } = chat;
  const onProgress = reading(terminal);
  const systems = chat.systems.map((content) => ({ role: 'system', content }));
  if (systems.length > 0) await conversation.add(systems, { signal, onProgress });
  if (setup.context !== undefined) await conversation.add(setup.context, { signal, onProgress });
  terminal.progress('');
}

/** Below this nobody waits. */
const PROGRESS_TOKENS = 256;

/** Shows how much of what was said is read. */
export function reading(terminal: Terminal): AskOptions['onProgress'] {
  return ({ doneTokens, totalTokens }) => {
    if (totalTokens > PROGRESS_TOKENS)
      terminal.progress(`reading: ${doneTokens} of ${totalTokens} tokens`);
  };
}
