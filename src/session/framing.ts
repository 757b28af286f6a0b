// What was said, and the whole text that the model's chat template makes of it. It knows no tokens
// and forwards nothing.
//
// Text without a role goes into one system message, which stays open until something else is said.
// Templates that have no place for one there (no system role at all, or none behind the first turn)
// get it in front of the next user message, a blank line between. Without a template all is plain
// text.
import { OptionError } from '../errors.ts';
import { type ChatTemplate, type Message, textOf as contentOf } from '../model/chat-template.ts';
import type { Open, Raw, Said } from './said.ts';
import { attempt, isSystem, MARKS, TemplateProbe } from './template-probe.ts';

/** Between text without a role and the user message that it goes into. */
const GAP = '\n\n';

export class Framing {
  readonly #template: TemplateProbe;
  readonly #bosText: string;

  /**
   * `variables` are names that the template may read beside messages: tools, enable_thinking, ...
   */
  constructor(
    template: ChatTemplate,
    bosText: string,
    variables: Readonly<Record<string, unknown>> = {},
  ) {
    this.#template = new TemplateProbe(template, { now: new Date(), ...variables });
    this.#bosText = bosText;
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
      if (
        message.role !== 'user' &&
        message.role !== 'assistant' &&
        this.#template.leavesOut(next.messages, message)
      )
        throw leftOut(next.messages, next.messages.indexOf(message));
    if (messages.some(isSystem)) {
      // a template that writes one system message only has the newest take the place of the first
      const place = this.#template.lostSystem(next.messages);
      if (place !== undefined) throw leftOut(next.messages, place);
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
    const chars = closed.messages.length > 0 ? this.#template.settled(closed.messages).length : 0;
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
    return this.#withRaws(messages.length === 0 ? '' : this.#template.settled(messages), said.raws);
  }

  /**
   * The whole text that asks the model for an answer. Throws OptionError where the template refuses
   * the question, or leaves it out.
   */
  questionOf({ messages, raws }: Said): string {
    const text = this.#template.render(messages, true);
    if (this.#template.ignoresQuestion(messages, text))
      throw leftOut(messages, messages.length - 1);
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
      const text = attempt(() => this.textOf(next));
      if (text?.startsWith(question + reply)) return next;
    }
    return withReply(reply);
  }

  /** What the template writes so that the model answers; '' where that cannot be told apart. */
  opening(): string {
    return this.#template.opening;
  }

  /**
   * The text before and behind a system message's content where the template has such messages;
   * what recalled text is put between.
   */
  around(): readonly [string, string] {
    return this.#template.around;
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
    const template = this.#template;
    if (!template.runs) return undefined;
    const { messages, raws } = said;
    const lead = leadingSpace(text);
    const content = lead + MARKS[0];
    /** What stands before the mark in a rendering. */
    const before = (rendering: string | undefined): string | undefined => {
      const whole = rendering === undefined ? undefined : this.#withRaws(rendering, raws);
      const at = whole?.indexOf(MARKS[0]) ?? -1;
      return at < 0 ? undefined : whole!.slice(0, at);
    };
    const own = (whole: string) =>
      whole.endsWith(lead) ? whole.slice(0, whole.length - lead.length) : whole;
    const withSystem = [...messages, { role: 'system', content }];
    const continued = [...template.withNext(withSystem, MARKS[1])].map(before);
    const found = continued.find((way) => way !== undefined);
    const alone = before(template.tryRender(withSystem, false));
    // (some templates write one system message only: a second one would take the first one's place)
    const kept = !messages.some(isSystem) || template.lostSystem(withSystem) === undefined;
    if (found !== undefined && kept)
      return {
        place: 'system',
        before: own(alone !== undefined && found.startsWith(alone) ? alone : found),
        text: '',
      };
    const withUser = [...messages, { role: 'user', content }];
    const asked = before(template.tryRender(withUser, true));
    if (asked !== undefined) return { place: 'user', before: own(asked), text: '' };
    // with what it says of a question, which is what any text comes down to
    template.render(withUser, true);
    throw new OptionError(
      `the model's chat template has no place for text without a role behind ${messages.length} ` +
        `messages: add messages`,
    );
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
}

function leftOut(messages: readonly Message[], place: number): OptionError {
  const { role } = messages[place];
  const todo =
    role === 'user' || role === 'assistant'
      ? 'ask in plain text, with { template: false }'
      : 'give it first, or put its text into a user message';
  return new OptionError(
    `the model's chat template leaves out a ${role} message in place ${place + 1} of ` +
      `${messages.length}: ${todo}`,
  );
}

function leadingSpace(text: string): string {
  return text.slice(0, text.length - text.trimStart().length);
}

function join(text: string, content: string): string {
  return text.endsWith(GAP) ? text + content : text.replace(/\n?$/, GAP) + content;
}
