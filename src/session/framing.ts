// What was said, and the whole text that the model's chat template makes of it. It knows no tokens
// and forwards nothing.
//
// Text without a role goes into one system message, which stays open until something else is said.
// Templates that have no place for one there (no system role at all, or none behind the first turn)
// get it in front of the next user message, a blank line between. Without a template all is plain
// text.
import { OptionError, UnsupportedError } from '../errors.ts';
import { type ChatTemplate, type Message, textOf as contentOf } from '../model/chat-template.ts';
import { sharedLength } from './transcript.ts';

/**
 * Text that stands outside of any message, behind `chars` characters of what the template makes of
 * the messages.
 */
interface Raw {
  readonly chars: number;
  readonly text: string;
}

/** Text without a role that is still being added to. */
interface Open {
  /** Whether it is a system message's, or waits for the next user message. */
  readonly place: 'system' | 'user';
  /** The whole text before it. */
  readonly before: string;
  readonly text: string;
}

/** What was said. Records are replaced, never changed. */
export interface Said {
  readonly messages: readonly Message[];
  readonly raws: readonly Raw[];
  readonly open?: Open;
}

export const nothingSaid: Said = { messages: [], raws: [] };

/** Two contents that no template writes by itself, and that share no beginning. */
const MARKS = ['content-goes-here', 'text-stands-there'] as const;
/** Between text without a role and the user message that it goes into. */
const GAP = '\n\n';

export class Framing {
  readonly #template: ChatTemplate;
  readonly #bosText: string;
  readonly #variables: Readonly<Record<string, unknown>>;
  /**
   * What follows from the template alone, or from the messages that were rendered last; each is
   * made once.
   */
  #runs?: boolean;
  #opening?: string;
  #around?: readonly [string, string];
  #rendered?: { readonly messages: readonly Message[]; readonly text: string };

  /**
   * `variables` are names that the template may read beside messages: tools, enable_thinking, ...
   */
  constructor(
    template: ChatTemplate,
    bosText: string,
    variables: Readonly<Record<string, unknown>> = {},
  ) {
    this.#template = template;
    this.#bosText = bosText;
    this.#variables = { now: new Date(), ...variables };
  }

  /**
   * Takes text without a role in. Throws OptionError where the template has no place for any text.
   */
  addText(said: Said, text: string): Said {
    const open = said.open ?? this.#opened(said, text);
    return open ? { ...said, open: { ...open, text: open.text + text } } : this.addRaw(said, text);
  }

  /**
   * Takes messages in. Throws OptionError where the template refuses them, or would leave one out
   * whose role it does not know.
   */
  addMessages(said: Said, messages: readonly Message[]): Said {
    let next = said;
    for (const message of messages) next = this.asked(next, message);
    for (const message of messages)
      if (message.role !== 'user' && message.role !== 'assistant') this.#checkKept(next, message);
    if (messages.some(isSystem)) {
      // a template that writes one system message only has the newest take the place of the first
      const place = this.#lost(next.messages);
      if (place !== undefined) throw leftOut(next.messages[place], place + 1, next.messages.length);
    }
    this.textOf(next);
    return next;
  }

  /** A message behind everything, which nobody has checked: a question's. */
  asked(said: Said, message: Message): Said {
    const { open } = said;
    if (open?.place === 'user' && message.role === 'user') {
      const joined = { ...message, content: join(open.text, contentOf(message)) };
      return { raws: said.raws, messages: [...said.messages, joined] };
    }
    const closed = this.#closed(said);
    return { ...closed, messages: [...closed.messages, message] };
  }

  /** Takes text in that no template goes around, behind everything. */
  addRaw(said: Said, text: string): Said {
    const closed = this.#closed(said);
    const { raws } = closed;
    const chars = closed.messages.length > 0 ? this.#settled(closed.messages).length : 0;
    const last = raws[raws.length - 1];
    // (what stands together is one, so that text of many lines stays cheap)
    const before = last?.chars === chars ? last.text : '';
    return {
      ...closed,
      raws: [...(before === '' ? raws : raws.slice(0, -1)), { chars, text: before + text }],
    };
  }

  /**
   * The whole text so far: open text without its end, messages as the template writes them where
   * nobody answers yet.
   */
  textOf(said: Said): string {
    const { open, messages } = said;
    if (open) return open.before + open.text;
    return this.#withRaws(messages.length === 0 ? '' : this.#settled(messages), said.raws);
  }

  /**
   * The whole text that asks the model for an answer. Throws OptionError where the template refuses
   * the question, or leaves it out.
   */
  questionOf({ messages, raws }: Said): string {
    const text = this.#render(messages, true);
    const question = messages[messages.length - 1];
    if (!text.includes(contentOf(question).trim())) {
      const marked = [...messages.slice(0, -1), { ...question, content: MARKS[0] }];
      if (this.#attempt(() => this.#render(marked, true)) === text)
        throw leftOut(question, messages.length, messages.length);
    }
    return this.#withRaws(text, raws);
  }

  /** What is said once `reply` stands behind a question's whole text. */
  answered(said: Said, question: string, reply: string): Said {
    const withReply = (content: string): Said => ({
      ...said,
      messages: [...said.messages, { role: 'assistant', content }],
    });
    // a template may write white space before the answer that the model has just written itself
    for (const content of [reply, reply.trimStart()]) {
      const next = withReply(content);
      const text = this.#attempt(() => this.textOf(next));
      if (text?.startsWith(question + reply)) return next;
    }
    return withReply(reply);
  }

  /** What the template writes so that the model answers; '' where that cannot be told apart. */
  opening(): string {
    return (this.#opening ??= this.#findOpening());
  }

  #findOpening(): string {
    const user: Message = { role: 'user', content: MARKS[0] };
    const [told, asked] = [false, true].map((reply) =>
      this.#attempt(() => this.#render([user], reply)),
    );
    return told !== undefined && asked?.startsWith(told) ? asked.slice(told.length) : '';
  }

  /**
   * The text before and behind a system message's content where the template has such messages;
   * what recalled text is put between.
   */
  around(): readonly [string, string] {
    return (this.#around ??= this.#findAround());
  }

  #findAround(): readonly [string, string] {
    const [mark] = MARKS;
    for (const role of ['system', 'user']) {
      const text = this.#attempt(() => this.#render([{ role, content: mark }], false));
      const at = text?.indexOf(mark) ?? -1;
      if (at >= 0) return [text!.slice(0, at), text!.slice(at + mark.length)];
    }
    return ['', ''];
  }

  /** Ends the message of text without a role. */
  #closed(said: Said): Said {
    const { open, messages, raws } = said;
    return open
      ? { raws, messages: [...messages, { role: open.place, content: open.text }] }
      : said;
  }

  /**
   * Where text without a role goes, and the whole text before it; undefined where there is no
   * template that could be used.
   */
  #opened(said: Said, text: string): Open | undefined {
    if (!(this.#runs ??= this.#usable())) return undefined;
    const [mark] = MARKS;
    const content = leadingSpace(text) + mark;
    const before = (messages: readonly Message[], reply: boolean): string | undefined => {
      const whole = this.#attempt(() => this.#withRaws(this.#render(messages, reply), said.raws));
      const at = whole?.indexOf(mark) ?? -1;
      return at < 0 ? undefined : whole!.slice(0, at);
    };
    const { messages } = said;
    const system: Message = { role: 'system', content };
    const continued = this.#continuations(MARKS[1]).map((next) =>
      before([...messages, system, next], next.role === 'user'),
    );
    const found = continued.find((way) => way !== undefined);
    const alone = before([...messages, system], false);
    const lead = leadingSpace(text).length;
    const own = (whole: string) =>
      whole.endsWith(text.slice(0, lead)) ? whole.slice(0, whole.length - lead) : whole;
    // (some templates write one system message only: a second one would take the first one's place)
    const kept = !messages.some(isSystem) || this.#lost([...messages, system]) === undefined;
    if (found !== undefined && kept)
      return {
        place: 'system',
        before: own(alone !== undefined && found.startsWith(alone) ? alone : found),
        text: '',
      };
    const user: Message = { role: 'user', content };
    const asked = before([...messages, user], true);
    if (asked !== undefined) return { place: 'user', before: own(asked), text: '' };
    // with what it says of a question, which is what any text comes down to
    this.#render([...messages, user], true);
    throw new OptionError(
      `the model's chat template has no place for text without a role behind ${messages.length} ` +
        `messages: add messages`,
    );
  }

  /** Messages that may come next. */
  #continuations(content: string): Message[] {
    return [
      { role: 'user', content },
      { role: 'assistant', content },
    ];
  }

  /**
   * What the template makes of messages that nobody answers yet: its own rendering of them, or
   * where it writes (or refuses) them only with what comes next, the part that does not depend on
   * that.
   */
  #settled(messages: readonly Message[]): string {
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
      alone = this.#render(messages, false);
    } catch (error) {
      refusal = error;
    }
    const spoken = last.role === 'user' || last.role === 'assistant';
    if (alone !== undefined && (spoken || this.#writes(messages, alone))) return alone;
    for (const { role } of this.#continuations('')) {
      const [one, other] = MARKS.map((content) =>
        this.#attempt(() => this.#render([...messages, { role, content }], role === 'user')),
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
    if (rendering.includes(contentOf(last).trim())) return true;
    const [mark] = MARKS;
    const marked = [...messages.slice(0, -1), { ...last, content: mark }];
    return this.#attempt(() => this.#render(marked, false))?.includes(mark) ?? false;
  }

  /** The place of a system message that the template leaves out, whatever comes next. */
  #lost(messages: readonly Message[]): number | undefined {
    const markOf = (place: number) => `${MARKS[0]}-${place}.`;
    const marked = messages.map((m, place) => (isSystem(m) ? { ...m, content: markOf(place) } : m));
    const ways = [
      () => this.#render(marked, false),
      ...this.#continuations(MARKS[1]).map(
        (m) => () => this.#render([...marked, m], m.role === 'user'),
      ),
    ];
    let place: number | undefined;
    for (const way of ways) {
      const text = this.#attempt(way);
      if (text === undefined) continue;
      const lost = messages.findIndex((m, at) => isSystem(m) && !text.includes(markOf(at)));
      if (lost < 0) return undefined;
      place = lost;
    }
    return place;
  }

  /** Refuses a message that the template leaves out. */
  #checkKept({ messages }: Said, message: Message): void {
    const [mark, next] = MARKS;
    const marked = messages.map((m) => (m === message ? { ...m, content: mark } : m));
    const ways = [
      () => this.#render(marked, false),
      ...this.#continuations(next).map(
        (m) => () => this.#render([...marked, m], m.role === 'user'),
      ),
    ];
    const texts = ways.map((way) => this.#attempt(way));
    if (texts.some((text) => text?.includes(mark)) || texts.every((text) => text === undefined))
      return;
    throw leftOut(message, messages.indexOf(message) + 1, messages.length);
  }

  #withRaws(text: string, raws: readonly Raw[]): string {
    let out = '';
    let at = 0;
    // BOS stays in front of everything
    if (raws[0]?.chars === 0 && this.#bosText !== '' && text.startsWith(this.#bosText)) {
      out = this.#bosText;
      at = out.length;
    }
    for (const { chars, text: raw } of raws) {
      const until = Math.max(at, Math.min(chars, text.length));
      out += text.slice(at, until) + raw;
      at = until;
    }
    return out + text.slice(at);
  }

  #render(messages: readonly Message[], reply: boolean): string {
    return this.#template.render(messages, reply, this.#variables);
  }

  /** What `work` returns, or undefined where the template refuses, or there is none. */
  #attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (error instanceof OptionError || error instanceof UnsupportedError) return undefined;
      throw error;
    }
  }

  /** Whether there is a template that can be run. */
  #usable(): boolean {
    try {
      this.#render([{ role: 'user', content: MARKS[0] }], true);
      return true;
    } catch (error) {
      if (error instanceof UnsupportedError) return false;
      if (error instanceof OptionError) return true;
      throw error;
    }
  }
}

function leftOut({ role }: Message, place: number, count: number): OptionError {
  const todo =
    role === 'user' || role === 'assistant'
      ? 'ask in plain text, with { template: false }'
      : 'give it first, or put its text into a user message';
  return new OptionError(
    `the model's chat template leaves out a ${role} message in place ${place} of ${count}: ${todo}`,
  );
}

function isSystem({ role }: Message): boolean {
  return role === 'system' || role === 'developer';
}

function leadingSpace(text: string): string {
  return text.slice(0, text.length - text.trimStart().length);
}

function join(text: string, content: string): string {
  return text.endsWith(GAP) ? text + content : text.replace(/\n?$/, GAP) + content;
}
