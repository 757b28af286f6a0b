// Messages to text, by the template inside the model (Jinja). A template is foreign code: it is
// parsed when it is first used, never at load, and whatever it does ends as an error of ours.
import { OptionError, UnsupportedError } from '../errors.ts';
import type { Metadata } from './gguf.ts';
import { readTemplate, type Render } from './jinja.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * A piece of a message's content. Parts of other types than text go to templates that know them.
 */
export interface ContentPart {
  readonly type: 'text' | (string & {});
  readonly text?: string;
  readonly [field: string]: unknown;
}

export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | (string & {});
  /** null only where an answer just calls tools. */
  readonly content: string | readonly ContentPart[] | null;
  /** What some templates read beside. */
  readonly name?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly unknown[];
  readonly tool_call_id?: string;
}

/** A message's text: its parts' texts, a line break between them. */
export function textOf({ content }: Message): string {
  if (!Array.isArray(content)) return String(content ?? '');
  return content
    .flatMap((part: ContentPart) => (typeof part?.text === 'string' ? [part.text] : []))
    .join('\n');
}

/**
 * What a template may read beside the messages: tools, documents, enable_thinking, date_string, ...
 */
export type TemplateVariables = Readonly<Record<string, unknown>>;

export interface ChatTemplate {
  /** Whether the file has a template. */
  readonly exists: boolean;
  /**
   * The text of messages; `reply` adds what makes the model answer (add_generation_prompt). Of the
   * variables, `now` (a Date) is what strftime_now tells; it tells the present without.
   * Content goes in as the template takes it: as text, or as a list of parts.
   * Throws OptionError where the template refuses the messages (with what it said),
   * UnsupportedError where there is none, or it cannot be parsed, uses what we lack or does more
   * work than the limit.
   */
  render(messages: readonly Message[], reply: boolean, variables?: TemplateVariables): string;
}

/** The template of a model's file. Nothing is parsed or rendered before it is used. */
export function createChatTemplate(
  metadata: Metadata,
  tokenizer: Tokenizer,
  file: string,
): ChatTemplate {
  const source = metadata['tokenizer.chat_template'];
  const exists = typeof source === 'string' && source.trim() !== '';
  let template: Render | undefined;
  const run = (
    messages: readonly object[],
    reply: boolean,
    { now, ...variables }: TemplateVariables,
  ): string => {
    if (!exists) {
      throw new UnsupportedError(
        `${file}: the model has no chat template: add plain text and ask with { template: false ` +
          `}, or choose a chat model`,
      );
    }
    template ??= readTemplate(source, file);
    const given = {
      bos_token: tokenizer.bosText,
      eos_token: tokenizer.eosText,
      ...variables,
      messages,
      add_generation_prompt: reply,
    };
    try {
      return template(given, now instanceof Date ? now : new Date());
    } catch (cause) {
      if (cause instanceof UnsupportedError) throw cause;
      throw new OptionError(
        `the model's chat template refuses these messages (${(cause as Error).message}): check ` +
          `their roles and order`,
        { cause },
      );
    }
  };
  let takes: Takes | undefined;
  const render = (
    messages: readonly Message[],
    reply: boolean,
    variables: TemplateVariables = {},
  ): string => {
    takes ??= probe((probes) => run(probes, false, {}));
    return run(
      messages.map((message) => withContent(message, takes!)),
      reply,
      variables,
    );
  };
  return { exists, render };
}

/**
 * How a template takes content; both where it could not be found out: then it goes in as it came.
 */
interface Takes {
  readonly text: boolean;
  readonly parts: boolean;
}

const NEEDLE = 'content-goes-here';

/**
 * Finds out how a template takes content, by what becomes of a text in it (llama.cpp does the
 * same).
 */
function probe(run: (messages: readonly object[]) => string): Takes {
  const tell = (content: unknown): string | undefined => {
    const user = { role: 'user', content };
    for (const messages of [[user], [{ role: 'system', content }, user]]) {
      try {
        const text = run(messages);
        // a list that was printed is no list that was read
        if (text.includes(NEEDLE) && !/['"]type['"]/.test(text)) return text;
      } catch (error) {
        if (error instanceof UnsupportedError) throw error;
      }
    }
    return undefined;
  };
  const text = tell(NEEDLE) !== undefined;
  const parts = tell([{ type: 'text', text: NEEDLE }]) !== undefined;
  return text || parts ? { text, parts } : { text: true, parts: true };
}

function withContent(message: Message, takes: Takes): object {
  const { content } = message;
  if (typeof content === 'string')
    return takes.text ? message : { ...message, content: [{ type: 'text', text: content }] };
  if (!Array.isArray(content) || takes.parts) return message;
  const other = content.find((part: ContentPart) => typeof part?.text !== 'string');
  if (other !== undefined) {
    throw new OptionError(
      `a message's content has a part of type '${other?.type}', this model's chat template ` +
        `takes text only: leave it out`,
    );
  }
  return { ...message, content: textOf(message) };
}
