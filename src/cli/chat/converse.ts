// A conversation between a person and a model, from the greeting to the end, and what Ctrl-C means
// in it.
import type { Terminal } from '../command.ts';
import { openPrompt, type Prompt } from '../prompt.ts';
import { fold } from '../words.ts';
import { begin, type Chat, type ChatSetup } from './chat.ts';
import { respond } from './commands.ts';
import { describe } from './remarks.ts';

/** Letters of a line of remarks. */
const LETTERS = 79;

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
