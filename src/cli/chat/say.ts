// A turn of a chat: what is said goes to the model, its reply to the terminal.
import type { AskOptions, Reply } from '../../session/conversation.ts';
import { type Chat, reading, work } from './chat.ts';
import { rateOf } from './remarks.ts';

const DEFAULT_REPLY_TOKENS = 256;

/** A turn: what a person says, and the reply. */
export async function say(chat: Chat, question: string): Promise<void> {
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
  if (reply?.finishReason === 'length') terminal.note(cutOff(tokens, setup.ask));
  if (setup.verbose) {
    const rate = rateOf(tokens, decodeMs - before.decodeMs);
    const seed = chat.seed === undefined ? '' : `, seed ${chat.seed}`;
    terminal.note(`(first token after ${firstTokenMs.toFixed(0)} ms, then ${rate}${seed})`);
  }
}

/** Why a reply ended in the middle. */
function cutOff(tokens: number, { maxTokens: most = DEFAULT_REPLY_TOKENS }: AskOptions): string {
  return tokens + 1 >= most
    ? `(cut off after ${most} tokens: --max-tokens allows more)`
    : '(cut off: there is no room for more; a larger --budget has some, or a --policy that ' +
        'evicts)';
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

/** Text without what a terminal would obey: a model may write anything. */
const harmless = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
