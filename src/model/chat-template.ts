// Messages to text, by the template inside the model (Jinja, through @huggingface/jinja).
import { Template } from '@huggingface/jinja';
import { ModelFormatError, OptionError, UnsupportedError } from '../errors.ts';
import type { Metadata } from './gguf.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant' | (string & {});
  readonly content: string;
}

export interface ChatTemplate {
  /** The text of messages; `reply` adds what makes the model answer. Throws OptionError where the template refuses them. */
  render(messages: readonly Message[], reply: boolean, variables?: Readonly<Record<string, unknown>>): string;
  /** A system message's text cut where its content stands, so that content can be added as it comes: [before, after]. */
  readonly around: readonly [string, string];
  /**
   * The text that `message` adds to a conversation that already runs. Templates that rewrite earlier turns are met halfway: the
   * message is rendered behind the shortest conversation that can precede it, so no history needs to be kept.
   */
  append(message: Message, first: boolean): string;
  /** The text between the end of what was added and the model's reply. */
  readonly reply: string;
  /** What the template puts behind a reply. */
  readonly closing: string;
  /** Whether rendered conversations already begin with the BOS token's text. */
  writesBos(bosText: string): boolean;
}

const CONTENT = 'content-goes-here';

/** What stands behind the content in rendered text. */
function behindContent(text: string): string {
  const at = text.lastIndexOf(CONTENT);
  return at < 0 ? '' : text.slice(at + CONTENT.length);
}

/** Compiles a model's template. Throws UnsupportedError where it has none. */
export function createChatTemplate(metadata: Metadata, tokenizer: Tokenizer, file: string): ChatTemplate {
  const source = metadata['tokenizer.chat_template'];
  const refuse = (): never => {
    throw new UnsupportedError(`${file}: the model has no chat template: add plain text and ask with { template: false }, or choose a chat model`);
  };
  if (typeof source !== 'string') return { render: refuse, append: refuse, around: ['', ''], reply: '', closing: '', writesBos: () => false };
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new ModelFormatError(`${file}: its chat template cannot be parsed (${(cause as Error).message})`, { cause });
  }
  const render = (messages: readonly Message[], reply: boolean, variables?: Readonly<Record<string, unknown>>): string => {
    try {
      return template.render({ ...variables, messages: messages as never, add_generation_prompt: reply, bos_token: tokenizer.bosText, eos_token: tokenizer.eosText });
    } catch (cause) {
      throw new OptionError(`the model's chat template refuses these messages (${(cause as Error).message}): check their roles and order`, { cause });
    }
  };
  const user: Message = { role: 'user', content: CONTENT };
  const assistant: Message = { role: 'assistant', content: CONTENT };
  const behind = (before: readonly Message[], message: Message): string => {
    const known = render(before, false);
    const all = render([...before, message], false);
    return all.startsWith(known) ? all.slice(known.length) : all;
  };
  const withSystem = (): string => {
    try {
      return render([{ role: 'system', content: CONTENT }], false);
    } catch {
      return render([user], false); // templates without a system role: the context is a user message
    }
  };
  const framed = withSystem();
  const at = framed.indexOf(CONTENT);
  const asked = render([user], true);
  const told = render([user], false);
  return {
    render,
    around: at < 0 ? ['', ''] : [framed.slice(0, at), framed.slice(at + CONTENT.length)],
    append(message, first) {
      if (first) return render([message], false);
      return message.role === 'assistant' ? behind([user], message) : behind([user, assistant], message);
    },
    reply: asked.startsWith(told) ? asked.slice(told.length) : '',
    closing: behindContent(behind([user], assistant)),
    writesBos: (bosText) => bosText !== '' && framed.startsWith(bosText),
  };
}
