// Which tokens of a conversation are replies: what the model has to say itself, the token that ends
// it included.
import { OptionError } from '../errors.ts';
import { type ChatTemplate, type Message, textOf } from '../model/chat-template.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { Transcript } from '../session/transcript.ts';

/** Characters [from, end) of a text that are a reply, and the text so far, its ending included. */
interface ReplyPlace {
  readonly from: number;
  readonly end: number;
  readonly whole: string;
}

/**
 * A conversation as examples: one where the template writes earlier turns as they were when they
 * were answered, else one a reply, each as the model read it then.
 */
export function repliesIn(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  template: ChatTemplate,
): { tokens: number[]; isLearned: boolean[] }[] {
  const now = new Date(0);
  const places = messages.flatMap((message, i): ReplyPlace | [] => {
    if (message.role !== 'assistant') return [];
    const asked = template.render(messages.slice(0, i), true, { now });
    const answered = template.render(messages.slice(0, i + 1), false, { now });
    const content = textOf(message);
    const end = answered.startsWith(asked) ? endOf(content, answered, asked.length) : undefined;
    if (message.tool_calls?.length) {
      const { tool_calls: _, ...silent } = { ...message, content };
      const without = template.render([...messages.slice(0, i), silent], false, { now });
      if (end === undefined || answered === without)
        throw new OptionError(
          `message ${i + 1} calls tools, and this model's chat template does not write calls ` +
            `behind what is said: take the calls out, or the line`,
        );
    }
    return end === undefined
      ? {
          from: asked.length,
          end: asked.length + content.length,
          whole: asked + content + tokenizer.eosText,
        }
      : { from: asked.length, end, whole: answered };
  });
  const all = places[places.length - 1].whole;
  return places.every(({ whole, end }) => all.startsWith(whole.slice(0, end)))
    ? [markReplies(all, places, tokenizer)]
    : places.map((place) => markReplies(place.whole, [place], tokenizer));
}

/**
 * Where a reply's content ends in a text, from a place on; a template may write white space before
 * it, which the model then has to write too, or trim it.
 */
function endOf(content: string, text: string, from: number): number | undefined {
  for (const said of [content, content.trim()]) {
    const at = text.indexOf(said, from);
    if (at >= 0 && text.slice(from, at).trim() === '') return at + said.length;
  }
  return undefined;
}

function markReplies(
  text: string,
  places: readonly ReplyPlace[],
  tokenizer: Tokenizer,
): { tokens: number[]; isLearned: boolean[] } {
  const transcript = new Transcript(tokenizer);
  transcript.append(text);
  const tokens = transcript.ids.slice(0);
  const isLearned = tokens.map(() => false);
  for (const { from, end, whole } of places) {
    const first = Math.max(1, transcript.indexAt(from));
    const last = transcript.indexAt(Math.min(whole.length, text.length));
    let stop = transcript.indexAt(end);
    // the token that ends it, if the template writes one
    const ends = tokens.findIndex((t, i) => i >= stop && i < last && tokenizer.endTokens.has(t));
    if (ends >= 0) stop = ends + 1;
    isLearned.fill(true, first, stop);
  }
  return { tokens, isLearned };
}
