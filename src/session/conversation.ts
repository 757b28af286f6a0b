// What a user holds: a conversation of any length with a model, inside a budget that is reserved
// when it opens.
import { knownNames } from '../arguments.ts';
import type { Mark } from '../backend/state.ts';
import type { Model } from '../engine/model.ts';
import { type Plan, fullError } from '../engine/plan.ts';
import { prefill } from '../engine/prefill.ts';
import { createSampler, type Sampler } from '../engine/sampling/sampler.ts';
import type { OnKept } from '../engine/stage.ts';
import { OptionError } from '../errors.ts';
import { type Message, textOf } from '../model/chat-template.ts';
import { complete, namesIn, settle } from '../options/table.ts';
import {
  type AddOptions,
  type AddProgress,
  addTable,
  type AskOptions,
  askTable,
} from './ask-options.ts';
import type { Calls } from './calls.ts';
import { Exchange, type ReplyOptions } from './exchange.ts';
import { checkMessage, type AddInput, readItems } from './items.ts';
import type { ConversationOptions } from './options.ts';
import { openParts, type Parts } from './parts.ts';
import type { Recollection } from './recollection.ts';
import { type Pieces, type Reply, StreamedReply } from './reply.ts';
import {
  type EpisodeReport,
  type MemoryReport,
  memoryOf,
  type Statistics,
  statisticsOf,
} from './reports.ts';
import type { Said } from './said.ts';
import type { Question, QuestionTokens } from './talk.ts';

export type { AddOptions, AddProgress, AskOptions, Reply };

/**
 * Opens a conversation with a model. Everything it will ever hold is reserved now.
 *
 *     using conversation = openConversation(model, { budget: '8MB', policy: 'epicache' });
 *     await conversation.add(['Mia: My dog is called Rex.\n', 'Ravi: Lovely.\n']);
 *     for await (const piece of conversation.ask("What is Mia's dog called?"))
 *       process.stdout.write(piece);
 *
 * Throws OptionError for wrong options, BudgetError for a budget that is too small (saying the
 * smallest), DeviceError where memory ends (where the layers are in workers, the first call that
 * uses them rejects with it).
 */
export function openConversation(model: Model, options: ConversationOptions): Conversation {
  return new Conversation(model, options);
}

export class Conversation {
  readonly plan: Plan;
  readonly #parts: Parts;
  readonly #calls: Calls;
  readonly #recollection: Recollection;
  /** A question and its reply while they are made. */
  #asking: Exchange | undefined;
  /** Episodes that answered last, the best first. */
  #answering: number[] = [];

  constructor(model: Model, options: ConversationOptions) {
    this.#parts = openParts(model, options);
    this.plan = this.#parts.plan;
    this.#calls = this.#parts.calls;
    this.#recollection = this.#parts.recollection;
  }

  /**
   * A listener that hears after each block which tokens every layer and head kept. What it throws
   * rejects the call that it hears of; the block stays in.
   */
  set onKept(listen: OnKept | undefined) {
    this.#parts.run.layers.onKept = listen;
  }

  /**
   * Ids of all tokens in order, as they stand in the conversation: those of its whole text, encoded
   * at once. Those of a question are among them until its reply ends, with the reply's, whether it
   * is kept or not.
   */
  get tokens(): number[] {
    const { ids } = this.#parts.talk.transcript;
    return this.#asking
      ? [...ids.slice(0, this.#asking.from), ...this.#asking.tokens]
      : ids.slice();
  }

  get memory(): MemoryReport {
    return memoryOf(this.#parts);
  }

  get statistics(): Statistics {
    return statisticsOf(this.#parts, {
      tokens: this.#asking
        ? this.#asking.from + this.#asking.tokens.length
        : this.#parts.talk.transcript.ids.length,
      answeredFrom: this.#answering,
    });
  }

  /**
   * The episodes as they are now: their segments and medoids; empty without episodes or before the
   * first question.
   */
  get episodes(): EpisodeReport {
    return this.#parts.episodes ?? { segments: [], episodes: [], clusterings: 0 };
  }

  /**
   * Adds to the conversation: text (one utterance a line), utterances (each with its own line
   * break), or messages. Text goes into one system message of the model's template
   * (docs/templates.md says where there is none), messages become messages. Full blocks are
   * forwarded at once, the rest with the next question. All of it is taken in or, where a part is
   * refused, nothing. Throws OptionError for nothing to add and for messages that the template
   * refuses, BudgetError for more than policy 'full' can keep, the signal's reason when aborted.
   */
  async add(input: AddInput, given: AddOptions = {}): Promise<void> {
    const options = settle('add', given, addTable);
    await this.#calls.alone(options, async () => {
      const { talk } = this.#parts;
      const items = readItems(input);
      const before = talk.said;
      await this.#rewind(talk.take(items));
      const { plan } = this;
      const tokens = talk.transcript.ids.length;
      if (!plan.policy.evicts && tokens > plan.rows + plan.sinks) {
        const error = fullError(plan, tokens);
        await this.#rewind(talk.become(before));
        throw error;
      }
      await this.#forward(plan.blockSize, options);
    });
  }

  /**
   * Forwards what still waits for its block to fill (and makes the caches of all episodes), so that
   * the next question does not have to.
   */
  async flush(given: AddOptions = {}): Promise<void> {
    const options = settle('flush', given, addTable);
    await this.#calls.alone(options, async () => {
      const { episodes, talk, meter } = this.#parts;
      if (!episodes) return this.#forward(1, options);
      await meter.timed(() => episodes.prepare(talk.history!, meter.watch(options)));
    });
  }

  /**
   * Asks. The reply streams while it is made; ending the iteration early ends the reply. An abort
   * rejects with the signal's reason. A reply that was broken off leaves the conversation as it was
   * before the question, but for rows that had to be evicted for it. A question that meets another
   * call waits until that one has ended. Throws ContextError for a question longer than a block,
   * OptionError for wrong options and for messages that the template refuses.
   */
  ask(question: string | Message, given: AskOptions = {}): Reply {
    const options = knownNames('ask', given, namesIn(askTable));
    const sample = createSampler(options);
    const reply: StreamedReply = new StreamedReply(
      () => this.#generate(question, options, sample, () => void reply.hurry()),
      sample.seed,
    );
    return reply;
  }

  /**
   * Frees everything. Stored episodes are deleted. Whatever is under way rejects, and disturbs
   * nobody else.
   */
  dispose(): void {
    void this.#close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Frees everything and waits until stored files are deleted. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  #close(): Promise<void> {
    const { run, store } = this.#parts;
    if (!this.#calls.closed) {
      this.#calls.close();
      run.dispose();
    }
    return store.clear();
  }

  async *#generate(
    given: string | Message,
    options: AskOptions,
    sample: Sampler,
    hurry: () => void,
  ): Pieces {
    const { keep, template, maxTokens } = complete(options, askTable);
    const message =
      typeof given === 'string' ? { role: 'user', content: given } : checkMessage(given);
    if (textOf(message).trim() === '')
      throw new OptionError('the question is empty: pass some text');
    const leave = await this.#calls.enter(options, hurry);
    try {
      const { talk, episodes, meter } = this.#parts;
      if (!keep && talk.transcript.ids.length === 0)
        throw new OptionError(
          'the conversation is empty: add to it first, or ask with keep: true to begin one',
        );
      const question = talk.ask(message, template);
      const tokens = talk.tokensOf(question, this.plan.blockSize);
      if (episodes)
        this.#answering = await meter.timed(() =>
          episodes.focus(question.text, talk.history!, meter.watch(options)),
        );
      else await this.#forward(1, options, tokens.from);
      await this.#rewind(tokens.from);
      const { signal, onProgress } = options;
      return yield* this.#answer(question, tokens, { onProgress, sample, maxTokens, keep, signal });
    } finally {
      leave();
    }
  }

  /** Makes a reply, and puts it into the conversation or leaves that as it was. */
  async *#answer(
    question: Question,
    tokens: QuestionTokens,
    options: ReplyOptions & AddOptions,
  ): Pieces {
    const { run, talk, meter } = this.#parts;
    const begin = run.mark('turn');
    const exchange = new Exchange(tokens, this.#parts);
    let [kept, forwarded]: [Said?, number?] = [];
    try {
      const { lead, asked } = tokens;
      if (lead.length > 0) await meter.timed(() => prefill(run, lead, meter.watch(options)));
      await run.makeRoom(this.plan.recallRows + asked.length);
      this.#asking = exchange;
      const reason = yield* exchange.reply(question.text, options);
      if (options.keep) kept = talk.answered(question, exchange.text);
      forwarded = exchange.replied.length - (reason === 'end' ? 0 : 1);
      if (kept) await this.#keep(kept, question.text, exchange);
      return reason;
    } finally {
      // each reply token but one that ends by length was forwarded after the first had come
      meter.counts.decodeMs += performance.now() - exchange.firstTokenAt;
      meter.counts.decodeTokens += forwarded ?? Math.max(0, exchange.replied.length - 1);
      this.#asking = undefined;
      if (!kept && !this.#calls.ended) await this.#rewind(exchange.from, begin);
    }
  }

  /**
   * Makes question and reply part of the conversation: the reply's last token and what the template
   * puts behind it are still to go in.
   */
  async #keep(said: Said, question: string, exchange: Exchange): Promise<void> {
    const { run, talk, episodes } = this.#parts;
    const { ids } = talk.transcript;
    const forwarded = run.token;
    this.#asking = undefined;
    const same = talk.become(said, [`${question}\n`, `${exchange.text}\n`]);
    if (episodes) return;
    // what the cache has seen of it does not wait: but nothing behind what was recalled
    const most = this.#recollection.tokens > 0 ? exchange.start.token : forwarded;
    const { from, tokens } = exchange;
    let agreed = Math.min(same, from);
    while (agreed >= from && agreed < most && ids.at(agreed) === tokens[agreed - from]) agreed++;
    await this.#rewind(agreed);
  }

  /** Lets the cache forget tokens from number `token` on. */
  async #rewind(token: number, mark: Mark = { token }): Promise<void> {
    const { run, talk } = this.#parts;
    await run.rewind(mark, talk.newest(token, this.plan.blockSize));
    // a state that was marked nowhere near is read again
    if (run.token < token) await prefill(run, talk.transcript.ids.slice(run.token, token));
  }

  /**
   * Forwards what waits, up to token number `end`, in whole multiples of `unit`; where that is
   * broken off, the rest goes on waiting.
   */
  async #forward(
    unit: number,
    options: AddOptions,
    end = this.#parts.talk.transcript.ids.length,
  ): Promise<void> {
    const { run, talk, episodes, meter } = this.#parts;
    const { token } = run;
    const count = Math.floor((end - token) / unit) * unit;
    if (episodes || count <= 0) return;
    const waiting = talk.transcript.ids.slice(token, token + count);
    await meter.timed(() => prefill(run, waiting, meter.watch(options)));
  }
}
