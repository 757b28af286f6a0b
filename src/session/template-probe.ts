// What a chat template does, found out by rendering messages with marks for contents: what it
// writes around them, what it leaves out, and which part of a rendering stays whatever comes next.
import { OptionError, UnsupportedError } from '../errors.ts';
import { type ChatTemplate, type Message, textOf } from '../model/chat-template.ts';
import { sharedLength } from './transcript.ts';

/** Two contents that no template writes by itself, and that share no beginning. */
export const MARKS = ['content-goes-here', 'text-stands-there'] as const;

/** Messages that may come next; after a user's the model is asked. */
const continuations = (content: string): Message[] => [
  { role: 'user', content },
  { role: 'assistant', content },
];

export class TemplateProbe {
  readonly #template: ChatTemplate;
  readonly #variables: Readonly<Record<string, unknown>>;
  /**
   * What follows from the template alone, or from the messages that were rendered last; each is
   * made once.
   */
  #runs?: boolean;
  #opening?: string;
  #around?: readonly [string, string];
  #rendered?: { readonly messages: readonly Message[]; readonly text: string };

  /** `variables` are names that the template may read beside messages. */
  constructor(template: ChatTemplate, variables: Readonly<Record<string, unknown>>) {
    this.#template = template;
    this.#variables = variables;
  }

  /** `asks`: whether the model is to answer. Throws as the template's render() does. */
  render(messages: readonly Message[], asks: boolean): string {
    return this.#template.render(messages, asks, this.#variables);
  }

  /** The same; undefined where the template refuses the messages, or there is none. */
  tryRender(messages: readonly Message[], asks: boolean): string | undefined {
    return attempt(() => this.render(messages, asks));
  }

  /** Renderings of messages with a mark behind them, which somebody says next. */
  *withNext(messages: readonly Message[], mark: string): Generator<string | undefined> {
    for (const next of continuations(mark))
      yield this.tryRender([...messages, next], next.role === 'user');
  }

  /** The rendering of messages alone, then those with a mark behind them. */
  *#renderings(messages: readonly Message[], mark: string): Generator<string | undefined> {
    yield this.tryRender(messages, false);
    yield* this.withNext(messages, mark);
  }

  /** Whether there is a template that can be run. */
  get runs(): boolean {
    return (this.#runs ??= this.#findRuns());
  }

  #findRuns(): boolean {
    try {
      this.render([{ role: 'user', content: MARKS[0] }], true);
      return true;
    } catch (error) {
      if (error instanceof UnsupportedError) return false;
      if (error instanceof OptionError) return true;
      throw error;
    }
  }

  /** What the template writes so that the model answers; '' where that cannot be told apart. */
  get opening(): string {
    return (this.#opening ??= this.#findOpening());
  }

  #findOpening(): string {
    const user: Message = { role: 'user', content: MARKS[0] };
    const [told, asked] = [false, true].map((asks) => this.tryRender([user], asks));
    return told !== undefined && asked?.startsWith(told) ? asked.slice(told.length) : '';
  }

  /**
   * The text before and behind a system message's content where the template has such messages;
   * what recalled text is put between.
   */
  get around(): readonly [string, string] {
    return (this.#around ??= this.#findAround());
  }

  #findAround(): readonly [string, string] {
    const [mark] = MARKS;
    for (const role of ['system', 'user']) {
      const text = this.tryRender([{ role, content: mark }], false);
      const at = text?.indexOf(mark) ?? -1;
      if (at >= 0) return [text!.slice(0, at), text!.slice(at + mark.length)];
    }
    return ['', ''];
  }

  /**
   * What the template makes of messages that nobody answers yet: its own rendering of them, or
   * where it writes (or refuses) them only with what comes next, the part that does not depend on
   * that.
   */
  settled(messages: readonly Message[]): string {
    // what is checked first is asked for again when it is taken in
    if (this.#rendered?.messages !== messages)
      this.#rendered = { messages, text: this.#settle(messages) };
    return this.#rendered.text;
  }

  #settle(messages: readonly Message[]): string {
    const last = messages[messages.length - 1];
    let refusal: unknown;
    let alone: string | undefined;
    try {
      alone = this.render(messages, false);
    } catch (error) {
      refusal = error;
    }
    const spoken = last.role === 'user' || last.role === 'assistant';
    if (alone !== undefined && (spoken || this.#writes(messages, alone))) return alone;
    for (const { role } of continuations('')) {
      const [one, other] = MARKS.map((content) =>
        this.tryRender([...messages, { role, content }], role === 'user'),
      );
      if (one === undefined || other === undefined) continue;
      const shared = one.slice(0, sharedLength(one, other));
      return alone !== undefined && alone !== '' && alone.startsWith(shared) ? alone : shared;
    }
    if (alone === undefined) throw refusal;
    return alone;
  }

  /**
   * Whether the last message is in its rendering: as it was said, or (a template may trim it or cut
   * words out) at least another content would be.
   */
  #writes(messages: readonly Message[], rendering: string): boolean {
    const last = messages[messages.length - 1];
    if (rendering.includes(textOf(last).trim())) return true;
    const [mark] = MARKS;
    const marked = [...messages.slice(0, -1), { ...last, content: mark }];
    return this.tryRender(marked, false)?.includes(mark) ?? false;
  }

  /** Whether a rendering that asks a question is the same with another question. */
  ignoresQuestion(messages: readonly Message[], rendering: string): boolean {
    const question = messages[messages.length - 1];
    if (rendering.includes(textOf(question).trim())) return false;
    const marked = [...messages.slice(0, -1), { ...question, content: MARKS[0] }];
    return this.tryRender(marked, true) === rendering;
  }

  /** Whether the template leaves a message out, whatever comes next. */
  leavesOut(messages: readonly Message[], message: Message): boolean {
    const [mark, next] = MARKS;
    const marked = messages.map((m) => (m === message ? { ...m, content: mark } : m));
    const texts = [...this.#renderings(marked, next)];
    return !texts.some((text) => text?.includes(mark)) && texts.some((text) => text !== undefined);
  }

  /** The place of a system message that the template leaves out, whatever comes next. */
  lostSystem(messages: readonly Message[]): number | undefined {
    const markOf = (place: number) => `${MARKS[0]}-${place}.`;
    const marked = messages.map((m, place) => (isSystem(m) ? { ...m, content: markOf(place) } : m));
    let place: number | undefined;
    for (const text of this.#renderings(marked, MARKS[1])) {
      if (text === undefined) continue;
      const lost = messages.findIndex((m, at) => isSystem(m) && !text.includes(markOf(at)));
      if (lost < 0) return undefined;
      place = lost;
    }
    return place;
  }
}

/** What `work` returns, or undefined where the template refuses, or there is none. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof OptionError || error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

export function isSystem({ role }: Message): boolean {
  return role === 'system' || role === 'developer';
}
