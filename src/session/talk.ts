// What was said in a conversation: the records, the whole text that the template makes of them, its
// tokens, and (where somebody needs it) who said what where. It forwards nothing; it tells from
// which token on a change leaves what the cache has seen.
import { ContextError, OptionError } from '../errors.ts';
import { History } from '../episode/history.ts';
import { type Message, textOf } from '../model/chat-template.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { Framing } from './framing.ts';
import { nothingSaid, type Said } from './said.ts';
import { sharedLength, Transcript } from './transcript.ts';

/** A question, and what is said with it. */
export interface Question {
  readonly message: Message;
  readonly text: string;
  /** Whether the template is put around it. */
  readonly template: boolean;
  readonly said: Said;
  /** The whole text that ends where the reply begins. */
  readonly whole: string;
}

/**
 * How a question goes in: behind the first `from` tokens of what was said, tokens that take part in
 * evictions (what the template writes anew of earlier turns, where that is more than a block), and
 * the question itself.
 */
export interface QuestionTokens {
  readonly from: number;
  readonly lead: readonly number[];
  readonly asked: readonly number[];
}

/** Tokens that stand behind the first `from` ones of the transcript, and are not part of it yet. */
export interface Heard {
  readonly from: number;
  readonly tokens: readonly number[];
}

/** What is said once a part of what is added has gone in. */
interface Step {
  readonly said: Said;
  readonly heard: string;
  readonly plain: boolean;
}

/** Whether a part goes on with an open message. */
function goesOn(step: Step | undefined, open: Said['open']): boolean {
  return step?.plain === true && open !== undefined && step.said.open?.before === open.before;
}

/** Lines of one call are encoded together up to this many characters. */
const TOGETHER_CHARS = 2048;

/**
 * Another question than any that is asked: it tells where the question begins in what the template
 * writes.
 */
const OTHER = '\u{10fffd}';

export class Talk {
  readonly framing: Framing;
  /** The whole text, and its tokens. */
  readonly transcript: Transcript;
  /** Where there are episodes, or recall. */
  readonly history: History | undefined;
  /** Hears the number of the first token that is another than it was. */
  onChanged: ((token: number) => void) | undefined;
  readonly #tokenizer: Tokenizer;
  #said: Said = nothingSaid;

  constructor(framing: Framing, tokenizer: Tokenizer, keepsHistory: boolean) {
    this.framing = framing;
    this.#tokenizer = tokenizer;
    this.transcript = new Transcript(tokenizer);
    if (keepsHistory) this.history = new History(this.transcript.ids);
  }

  get said(): Said {
    return this.#said;
  }

  /**
   * Takes utterances and messages in, all or none. Returns the number of the first token that has
   * changed.
   */
  take(items: readonly (string | Message)[]): number {
    let same = Number.POSITIVE_INFINITY;
    // what may be refused comes first
    const steps = this.#stepsOf(items);
    for (let i = 0; i < steps.length; i++) {
      const { open } = this.#said;
      let step = steps[i];
      if (goesOn(step, open)) {
        // behind what is in the open message already. Lines go in together, as each costs what has
        // no boundary yet (a run of empty ones): the history alone wants each one's place
        let { heard } = step;
        while (!this.history && heard.length < TOGETHER_CHARS && goesOn(steps[i + 1], open)) {
          step = steps[++i];
          heard += step.heard;
        }
        this.#said = step.said;
        const begin = this.transcript.chars;
        const changed = this.transcript.append(heard).same;
        same = Math.min(same, changed);
        // where a word goes on, its last token is another
        this.onChanged?.(changed);
        this.history?.addAt(heard, true, begin, this.transcript.chars, this.transcript);
      } else {
        // of text that no message holds the last state is all of it
        while (!this.history && step.plain && !step.said.open && steps[i + 1]?.plain)
          step = steps[++i];
        same = Math.min(same, this.become(step.said, [step.heard], step.plain));
      }
    }
    return same;
  }

  /** What is said after each item. Throws OptionError where the template refuses one. */
  #stepsOf(items: readonly (string | Message)[]): Step[] {
    let said = this.#said;
    const steps: Step[] = [];
    for (const [i, item] of items.entries()) {
      if (typeof item === 'string') {
        said = this.framing.addText(said, item);
        steps.push({ said, heard: item, plain: true });
      } else if (this.history || typeof items[i + 1] === 'string' || i + 1 === items.length) {
        // messages that stand together are rendered together, but where the history wants to know
        // each one's part
        let first = i;
        while (!this.history && first > 0 && typeof items[first - 1] !== 'string') first--;
        said = this.framing.addMessages(said, items.slice(first, i + 1) as Message[]);
        steps.push({ said, heard: `${textOf(item)}\n`, plain: false });
      }
    }
    return steps;
  }

  /**
   * Makes this what was said, `heard` being what is new of it. Returns the number of the first
   * token that has changed: the cache may not hold it, nor those behind.
   */
  become(said: Said, heard: readonly string[] = [], plain = false): number {
    const text = this.framing.textOf(said);
    const { same, shared } = this.transcript.replace(text);
    this.#said = said;
    if (this.history) {
      for (const one of heard) this.history.add(one, plain);
      this.history.locate(text, this.transcript, shared);
    }
    this.onChanged?.(same);
    return same;
  }

  /** What is said with a question. Throws OptionError where the template refuses it. */
  ask(message: Message, template: boolean): Question {
    const text = textOf(message);
    const said = template
      ? this.framing.asked(this.#said, message)
      : this.framing.addRaw(this.#said, text);
    const whole = template ? this.framing.questionOf(said) : this.framing.textOf(said);
    return { message, text, template, said, whole };
  }

  /** What is said once a reply stands behind a question. */
  answered({ template, said, whole }: Question, reply: string): Said {
    return template ? this.framing.answered(said, whole, reply) : this.framing.addRaw(said, reply);
  }

  /** Throws ContextError for a question of more than a block of tokens. */
  tokensOf(question: Question, blockSize: number): QuestionTokens {
    const { same, tokens } = this.transcript.compare(question.whole);
    if (tokens.length === 0)
      throw new OptionError('the question adds no token to the conversation: ask in other words');
    if (tokens.length <= blockSize) return { from: same, lead: [], asked: tokens };
    const count = Math.min(this.#ownTokens(question), tokens.length);
    if (count <= blockSize)
      return {
        from: same,
        lead: tokens.slice(0, tokens.length - count),
        asked: tokens.slice(tokens.length - count),
      };
    throw new ContextError(
      `the question has ${count} tokens, a block holds ${blockSize}: shorten it, add its text ` +
        `to the conversation first, or raise blockSize`,
    );
  }

  /** Tokens from where the whole text would be another with another question. */
  #ownTokens({ message, template, whole }: Question): number {
    const another = template
      ? this.framing.questionOf(this.framing.asked(this.#said, { ...message, content: OTHER }))
      : '';
    const begin = this.#tokenizer.boundary(whole, sharedLength(whole, another));
    return this.#tokenizer.encodeFrom(whole, begin).length;
  }

  /** The `count` tokens before number `token`, those of `heard` behind the transcript's. */
  newest(token: number, count: number, heard?: Heard): number[] {
    const { ids } = this.transcript;
    const begin = Math.max(0, token - count);
    if (!heard) return ids.slice(begin, token);
    return [
      ...ids.slice(begin, Math.min(token, heard.from)),
      ...heard.tokens.slice(Math.max(0, begin - heard.from), Math.max(0, token - heard.from)),
    ];
  }
}
