// What a user holds: a conversation of any length with a model, inside a budget that is reserved
// when it opens.
import { decode } from '../engine/decode.ts';
import { describeValue, knownNames } from '../arguments.ts';
import { closedError } from '../engine/executor.ts';
import { type Model, readModel } from '../engine/model.ts';
import { type Plan, fullError, planRun } from '../engine/plan.ts';
import { prefill, type PrefillOptions } from '../engine/prefill.ts';
import { Run } from '../engine/run.ts';
import { createSampler } from '../engine/sampling/sampler.ts';
import type { OnKept } from '../engine/stage.ts';
import { diskStore } from '../episode/disk-store.ts';
import { createEmbedder } from '../episode/embedders.ts';
import { type Episode, Episodes } from '../episode/episodes.ts';
import { History } from '../episode/history.ts';
import { memoryStore } from '../episode/memory-store.ts';
import { recall } from '../episode/recall.ts';
import { SegmentIndex } from '../episode/segment-index.ts';
import type { Segment } from '../episode/segment.ts';
import type { EpisodeStore } from '../episode/store.ts';
import { ContextError, OptionError } from '../errors.ts';
import { type Message, textOf } from '../model/chat-template.ts';
import { complete, namesIn, settle } from '../options/table.ts';
import {
  type AddOptions,
  type AddProgress,
  addTable,
  type AskOptions,
  askTable,
} from './ask-options.ts';
import { type Framing, nothingSaid, type Said } from './framing.ts';
import { Line } from './line.ts';
import type { Instructions } from './option-kinds.ts';
import type { ConversationOptions } from './options.ts';
import { type Pieces, type Reply, StreamedReply } from './reply.ts';
import { readOptions } from './settings.ts';
import { sharedLength, Transcript } from './transcript.ts';

export interface MemoryReport {
  /**
   * Bytes reserved for good when the conversation opened: cache at its fullest, scratch, logits,
   * stored episodes in memory.
   */
  readonly promisedBytes: number;
  /** Most of them that were ever in use at once; never more than promised. */
  readonly peakBytes: number;
  readonly promisedCacheBytes: number;
  readonly peakCacheBytes: number;
  /** Bytes of cached rows now. */
  readonly cacheBytes: number;
  /** Bytes of stored episodes in memory now (part of the promise). */
  readonly storedBytes: number;
  /**
   * Bytes of what was said: text (2 bytes a character at most), 4 bytes a token; with episodes or
   * recall vectors and the text again. Grows.
   */
  readonly historyBytes: number;
}

export interface Statistics {
  /** Tokens of the conversation so far. */
  readonly tokens: number;
  /** Rows kept per kv head on average (the budget M), and of each layer. */
  readonly budgetRows: number;
  readonly budgetLayers: readonly number[];
  readonly policy: string;
  readonly build: string;
  /** Threads that share the work. */
  readonly threads: number;
  /** Workers that own some of the layers each; 1: the layers are together. */
  readonly pipeline: number;
  /** Why fewer threads or workers run than were asked for, where that is so. */
  readonly fallback: string | undefined;
  readonly prefillTokens: number;
  readonly prefillMs: number;
  /** Tokens forwarded one by one after a reply's first, and the time that took. */
  readonly decodeTokens: number;
  readonly decodeMs: number;
  /**
   * From the question's first token (its episode being resident) to the reply's, of the last
   * question.
   */
  readonly firstTokenMs: number;
  readonly blocks: number;
  /** Episode that answered last, and how many there are; undefined without episodes. */
  readonly episode?: number;
  readonly episodes?: number;
  /** Times that a stored episode was lost or damaged, and made again from what was said. */
  readonly episodesRemade: number;
  /** All episodes that answered last: one, or two. */
  readonly answeredFrom: readonly number[];
  /** Rows reserved for recall, and the tokens that the last question recalled. */
  readonly recallRows: number;
  readonly recalledTokens: number;
}

/** The episodes of a conversation as they are now. */
export interface EpisodeReport {
  readonly segments: readonly Segment[];
  readonly episodes: readonly Episode[];
  /** Times that the conversation was clustered. */
  readonly clusterings: number;
}

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
  readonly #model: Model;
  readonly #run: Run;
  readonly #instructions: Instructions;
  readonly #episodes: Episodes | undefined;
  readonly #store: EpisodeStore;
  readonly #framing: Framing;
  readonly #line = new Line();
  #said: Said = nothingSaid;
  /**
   * The whole text, and its tokens. Those from run.token on wait for their block to fill (with
   * episodes all is in the history alone).
   */
  readonly #transcript: Transcript;
  /**
   * A question and its reply while they are made: what stands behind the first `from` tokens of the
   * transcript.
   */
  #asking: { readonly from: number; readonly tokens: number[] } | undefined;
  readonly #history: History | undefined; // where there are episodes, or recall
  // what recall chooses from: single turns, so that much fits into few rows
  readonly #turns: SegmentIndex | undefined;
  #disposed = false;
  /** What ends the waits of the call that is under way: its signal, and disposal. */
  readonly #disposal = new AbortController();
  #endings: readonly AbortSignal[] = [];
  #peakStored = 0;
  #counts = {
    prefillTokens: 0,
    prefillMs: 0,
    decodeTokens: 0,
    decodeMs: 0,
    firstTokenMs: 0,
    blocks: 0,
  };
  #answering: number[] = []; // episodes, the best first
  #recalledTokens = 0;

  constructor(model: Model, options: ConversationOptions) {
    if (readModel(model).executor.ended) throw model.executor.ended;
    const settings = readOptions(options, model);
    this.#model = model;
    this.plan = planRun(model.executor, settings.plan);
    this.#instructions = settings.instructions;
    this.#framing = settings.framing;
    this.#transcript = new Transcript(model.tokenizer);
    const { ids } = this.#transcript;
    const { observe } = this.plan.policy;
    const indexOf = (turns: number) =>
      new SegmentIndex(
        createEmbedder(settings.episodes.embedder, model, () => this.#endings),
        turns,
      );
    const episodic = observe.queries === 'patched' && observe.prompt === 'episode';
    if (episodic || this.plan.recallRows > 0) this.#history = new History(ids);
    if (this.plan.recallRows > 0) this.#turns = indexOf(1);
    const segments = episodic ? indexOf(settings.episodes.segmentTurns) : undefined;
    const prompt =
      observe.queries === 'patched' && !episodic ? this.#promptOf(observe.prompt) : undefined;
    this.#store =
      settings.episodes.store === undefined ? memoryStore() : diskStore(settings.episodes.store);
    // nothing that may be refused comes behind what is reserved
    this.#run = new Run(model.executor, this.plan);
    if (segments)
      this.#episodes = new Episodes(this.#run, segments, this.#store, settings.episodes, (text) =>
        this.#patch('episode', text),
      );
    else if (prompt) this.#run.prompt = prompt;
  }

  /**
   * A listener that hears after each block which tokens every layer and head kept. What it throws
   * rejects the call that it hears of; the block stays in.
   */
  set onKept(listen: OnKept | undefined) {
    this.#run.onKept = listen;
  }

  /**
   * Ids of all tokens in order, as they stand in the conversation: those of its whole text, encoded
   * at once. Those of a question are among them until its reply ends, with the reply's, whether it
   * is kept or not.
   */
  get tokens(): number[] {
    const { ids } = this.#transcript;
    return this.#asking
      ? [...ids.slice(0, this.#asking.from), ...this.#asking.tokens]
      : ids.slice();
  }

  get memory(): MemoryReport {
    const { plan } = this;
    const run = this.#run;
    const promisedStored = plan.promisedBytes - plan.promisedFixedBytes - plan.promisedCacheBytes;
    const { ids, chars } = this.#transcript;
    return {
      promisedBytes: plan.promisedBytes,
      peakBytes: run.peakBytes - promisedStored + this.#peakStored,
      promisedCacheBytes: plan.promisedCacheBytes,
      peakCacheBytes: run.layers.peakCacheBytes,
      cacheBytes: run.layers.cacheBytes,
      storedBytes: this.#store.memoryBytes,
      // the text, and what was said that it was made of
      historyBytes:
        ids.bytes +
        2 * BYTES_PER_CHAR * chars +
        (this.#history?.bytes ?? 0) +
        (this.#turns?.bytes ?? 0) +
        (this.#episodes?.indexBytes ?? 0),
    };
  }

  get statistics(): Statistics {
    return {
      tokens: this.#asking
        ? this.#asking.from + this.#asking.tokens.length
        : this.#transcript.ids.length,
      budgetRows: this.plan.rows,
      budgetLayers: this.plan.layerRows,
      policy: this.plan.policy.name,
      build: this.#model.backend.build,
      threads: this.#model.backend.threads,
      pipeline: this.#model.executor.stages.length,
      fallback: this.#model.fallback,
      ...this.#counts,
      episode: this.#answering[0],
      answeredFrom: this.#answering,
      episodes: this.#episodes?.episodes.length,
      episodesRemade: this.#episodes?.remade ?? 0,
      recallRows: this.plan.recallRows,
      recalledTokens: this.#recalledTokens,
    };
  }

  /**
   * The episodes as they are now: their segments and medoids; empty without episodes or before the
   * first question.
   */
  get episodes(): EpisodeReport {
    return this.#episodes ?? { segments: [], episodes: [], clusterings: 0 };
  }

  /**
   * Adds to the conversation: text (one utterance a line), utterances (each with its own line
   * break), or messages. Text goes into one system message of the model's template
   * (docs/templates.md says where there is none), messages become messages. Full blocks are
   * forwarded at once, the rest with the next question. All of it is taken in or, where a part is
   * refused, nothing. Throws OptionError for nothing to add and for messages that the template
   * refuses, BudgetError for more than policy 'full' can keep, the signal's reason when aborted.
   */
  async add(
    input: string | readonly string[] | Message | readonly Message[],
    given: AddOptions = {},
  ): Promise<void> {
    const options = settle('add', given, addTable);
    await this.#alone(options, async () => {
      const items = this.#read(input);
      const before = this.#said;
      await this.#take(items);
      const { plan } = this;
      if (!plan.policy.evicts && this.#transcript.ids.length > plan.rows + plan.sinks) {
        const error = fullError(plan, this.#transcript.ids.length);
        await this.#takeBack(this.#become(before));
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
    await this.#alone(options, async () => {
      if (this.#episodes)
        await this.#timed(() => this.#episodes!.prepare(this.#history!, this.#watch(options)));
      else await this.#forward(1, options);
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
    if (!this.#disposed) {
      this.#disposed = true;
      this.#line.close(closedError());
      this.#disposal.abort(closedError());
      this.#run.dispose();
    }
    return this.#store.clear();
  }

  async *#generate(
    question: string | Message,
    options: AskOptions,
    sample: (logits: Float32Array) => number,
    hurry: () => void,
  ): Pieces {
    const { keep, template, maxTokens } = complete(options, askTable);
    const message: Message =
      typeof question === 'string' ? { role: 'user', content: question } : checkMessage(question);
    const spoken = textOf(message);
    if (spoken.trim() === '') throw new OptionError('the question is empty: pass some text');
    const leave = await this.#enter(options, hurry);
    try {
      if (!keep && this.#transcript.ids.length === 0)
        throw new OptionError(
          'the conversation is empty: add to it first, or ask with keep: true to begin one',
        );
      const said = template
        ? this.#framing.asked(this.#said, message)
        : this.#framing.addRaw(this.#said, spoken);
      const whole = template ? this.#framing.questionOf(said) : this.#framing.textOf(said);
      const another = () =>
        template
          ? this.#framing.questionOf(
              this.#framing.asked(this.#said, { ...message, content: OTHER }),
            )
          : '';
      const { from, lead, asked } = this.#split(whole, another);
      const run = this.#run;
      if (this.#episodes)
        this.#answering = await this.#timed(() =>
          this.#episodes!.focus(spoken, this.#history!, this.#watch(options)),
        );
      else await this.#forward(1, options, from);
      await this.#takeBack(from);
      const { tokenizer } = this.#model;
      const heard = { from, tokens: [...lead, ...asked] };
      const replied: number[] = [];
      let firstToken = performance.now();
      let start = from;
      let kept: Said | undefined;
      let forwarded: number | undefined;
      try {
        if (lead.length > 0) await this.#timed(() => prefill(run, lead, this.#watch(options)));
        await run.makeRoom(this.plan.recallRows + asked.length);
        this.#asking = heard;
        start = run.token;
        const stream = tokenizer.stream();
        const begin = performance.now();
        await this.#recall(spoken);
        const how = { sample, endTokens: tokenizer.endTokens, signal: options.signal };
        let tokens = decode(run, asked, {
          ...how,
          maxTokens,
          evict: keep && this.#recalledTokens === 0,
        });
        let step = await tokens.next();
        firstToken = performance.now();
        this.#counts.firstTokenMs = firstToken - begin;
        let text = '';
        for (;;) {
          while (!step.done) {
            replied.push(step.value);
            heard.tokens.push(step.value);
            const piece = stream.push(step.value);
            text += piece;
            if (piece !== '') yield piece;
            step = await tokens.next();
          }
          if (
            step.value === 'end' ||
            replied.length === maxTokens ||
            !keep ||
            this.#recalledTokens === 0
          )
            break;
          // the reply outgrew its room: what was recalled makes way, and the reply goes on behind
          // the question and what it said so far
          await run.takeBack(start, this.#newest(start, heard));
          this.#recalledTokens = 0;
          const again = [...asked, ...replied];
          const last = again.splice(
            Math.floor((again.length - 1) / this.plan.blockSize) * this.plan.blockSize,
          );
          await prefill(run, again, { signal: options.signal });
          tokens = decode(run, last, {
            ...how,
            maxTokens: maxTokens - replied.length,
            evict: true,
          });
          step = await tokens.next();
        }
        const rest = stream.end();
        text += rest;
        if (rest !== '') yield rest;
        if (keep)
          kept = template
            ? this.#framing.answered(said, whole, text)
            : this.#framing.addRaw(said, text);
        forwarded = step.value === 'end' ? replied.length : replied.length - 1;
        if (kept) await this.#keep(kept, spoken, text, heard, start);
        return step.value;
      } finally {
        // each reply token but one that ends by length was forwarded after the first had come
        this.#counts.decodeMs += performance.now() - firstToken;
        this.#counts.decodeTokens += forwarded ?? Math.max(0, replied.length - 1);
        this.#asking = undefined;
        if (!kept && !this.#disposed && !this.#model.executor.ended) await this.#takeBack(from);
      }
    } finally {
      leave();
    }
  }

  /**
   * How a question's whole text goes in: behind the first `from` tokens of what was said, tokens
   * that take part in evictions (what the template writes anew of earlier turns, where that is more
   * than a block), and the question itself. `another` gives the same with another question.
   */
  #split(
    whole: string,
    another: () => string,
  ): { from: number; lead: readonly number[]; asked: readonly number[] } {
    const { blockSize } = this.plan;
    const { same, tokens } = this.#transcript.compare(whole);
    if (tokens.length === 0)
      throw new OptionError('the question adds no token to the conversation: ask in other words');
    if (tokens.length <= blockSize) return { from: same, lead: [], asked: tokens };
    const { tokenizer } = this.#model;
    const own = tokenizer.encodeFrom(
      whole,
      tokenizer.boundary(whole, sharedLength(whole, another())),
    ).length;
    const count = Math.min(own, tokens.length);
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

  /** Forwards again what a question needs and the cache has lost, into the rows reserved for it. */
  async #recall(question: string): Promise<void> {
    this.#recalledTokens = 0;
    const { recallRows, blockSize } = this.plan;
    if (recallRows === 0) return;
    const { tokenizer } = this.#model;
    const encode = (text: string) => tokenizer.encode(text);
    const [opening, closing] = this.#framing.around().map(encode);
    // the conversation has begun already
    const frame = [
      opening[0] === tokenizer.bosToken ? opening.slice(1) : opening,
      closing,
    ] as const;
    const { tokens } = await recall(
      question,
      recallRows,
      this.#turns!,
      this.#history!,
      (spans) => this.#run.held(spans),
      encode,
      frame,
    );
    for (let at = 0; at < tokens.length; at += blockSize)
      await this.#run.extend(tokens.slice(at, at + blockSize));
    this.#recalledTokens = tokens.length;
  }

  /**
   * Makes question and reply part of the conversation: the reply's last token and what the template
   * puts behind it are still to go in.
   */
  async #keep(
    said: Said,
    question: string,
    reply: string,
    heard: { from: number; tokens: number[] },
    start: number,
  ): Promise<void> {
    const { ids } = this.#transcript;
    const forwarded = this.#run.token;
    this.#asking = undefined;
    const same = this.#become(said, [`${question}\n`, `${reply}\n`]);
    if (this.#episodes) return;
    // what the cache has seen of it does not wait: but nothing behind what was recalled
    const most = this.#recalledTokens > 0 ? start : forwarded;
    let agreed = Math.min(same, heard.from);
    while (
      agreed >= heard.from &&
      agreed < most &&
      ids.at(agreed) === heard.tokens[agreed - heard.from]
    )
      agreed++;
    await this.#takeBack(agreed);
  }

  /** Text and messages, checked. */
  #read(input: string | readonly string[] | Message | readonly Message[]): (string | Message)[] {
    const list = Array.isArray(input);
    const items = list ? (input as readonly (string | Message)[]) : [input as string | Message];
    // (a call of a tool says something without a content)
    const isEmpty = (item: string | Message) =>
      typeof item === 'string' ? item === '' : item?.content === '' && !item.tool_calls?.length;
    if (items.length === 0 || items.every(isEmpty))
      throw new OptionError('there is nothing to add: pass text, utterances or messages');
    return items.flatMap((item): (string | Message)[] => {
      if (typeof item === 'string') return list ? [item] : (item.match(/[^\n]*\n|[^\n]+$/g) ?? []);
      return [checkMessage(item)];
    });
  }

  /** Takes utterances and messages in, all or none. */
  async #take(items: readonly (string | Message)[]): Promise<void> {
    // what may be refused comes first
    let said = this.#said;
    const steps: Taken[] = [];
    for (const [i, item] of items.entries()) {
      if (typeof item === 'string') {
        said = this.#framing.addText(said, item);
        steps.push({ said, heard: item, plain: true });
      } else if (this.#history || typeof items[i + 1] === 'string' || i + 1 === items.length) {
        // messages that stand together are rendered together, but where the history wants to know
        // each one's part
        let first = i;
        while (!this.#history && first > 0 && typeof items[first - 1] !== 'string') first--;
        said = this.#framing.addMessages(said, items.slice(first, i + 1) as Message[]);
        steps.push({ said, heard: `${textOf(item)}\n`, plain: false });
      }
    }
    let same = Number.POSITIVE_INFINITY;
    for (let i = 0; i < steps.length; i++) {
      const { open } = this.#said;
      let step = steps[i];
      if (goesOn(step, open)) {
        // behind what is in the open message already. Lines go in together, as each costs what has
        // no boundary yet (a run of empty ones): the history alone wants each one's place
        let { heard } = step;
        while (!this.#history && heard.length < TOGETHER_CHARS && goesOn(steps[i + 1], open)) {
          step = steps[++i];
          heard += step.heard;
        }
        this.#said = step.said;
        const begin = this.#transcript.chars;
        same = Math.min(same, this.#transcript.append(heard).same);
        this.#history?.addAt(heard, true, begin, this.#transcript.chars, this.#transcript);
      } else {
        // of text that no message holds the last state is all of it
        while (!this.#history && step.plain && !step.said.open && steps[i + 1]?.plain)
          step = steps[++i];
        same = Math.min(same, this.#become(step.said, [step.heard], step.plain));
      }
    }
    await this.#takeBack(same);
  }

  /**
   * Makes this what was said, `heard` being what is new of it. Returns the number of the first
   * token that has changed: the cache may not hold it, nor those behind.
   */
  #become(said: Said, heard: readonly string[] = [], plain = false): number {
    const text = this.#framing.textOf(said);
    const { same, shared } = this.#transcript.replace(text);
    this.#said = said;
    if (this.#history) {
      for (const one of heard) this.#history.add(one, plain);
      this.#history.locate(text, this.#transcript, shared);
    }
    this.#episodes?.changedFrom(same);
    return same;
  }

  /** Lets the cache forget tokens from number `token` on, where it has seen them. */
  async #takeBack(token: number): Promise<void> {
    await this.#run.takeBack(token, this.#newest(token));
  }

  /** The tokens before number `token`, a block of them. */
  #newest(token: number, heard?: { from: number; tokens: readonly number[] }): number[] {
    const { ids } = this.#transcript;
    const begin = Math.max(0, token - this.plan.blockSize);
    if (!heard) return ids.slice(begin, token);
    return [
      ...ids.slice(begin, Math.min(token, heard.from)),
      ...heard.tokens.slice(Math.max(0, begin - heard.from), Math.max(0, token - heard.from)),
    ];
  }

  /** What rates a block: the summary's instruction, or one to repeat, and the block. */
  #promptOf(kind: keyof Instructions): (block: readonly number[]) => readonly number[] {
    const lead = this.#patch(kind, '');
    return kind === 'summary' ? () => lead : (block) => [...lead, ...block];
  }

  /**
   * The tokens of a patched prompt: instruction and assistant turn where there is an instruction,
   * then the text.
   */
  #patch(kind: keyof Instructions, text: string): number[] {
    const { tokenizer } = this.#model;
    const instruction = this.#instructions[kind];
    const lead =
      instruction === '' && kind !== 'summary' ? '' : instruction + this.#framing.opening();
    const tokens = tokenizer.encode(lead + text);
    // a prompt of nothing could not look: without instruction and template a line break stands for
    // the summary's beginning
    return tokens.length > 0
      ? tokens
      : text === '' && kind !== 'summary'
        ? []
        : tokenizer.encode('\n');
  }

  /**
   * Forwards what waits, up to token number `end`, in whole multiples of `unit`; where that is
   * broken off, the rest goes on waiting.
   */
  async #forward(
    unit: number,
    options: AddOptions,
    end = this.#transcript.ids.length,
  ): Promise<void> {
    const { token } = this.#run;
    const count = Math.floor((end - token) / unit) * unit;
    if (this.#episodes || count <= 0) return;
    await this.#timed(() =>
      prefill(this.#run, this.#transcript.ids.slice(token, token + count), this.#watch(options)),
    );
  }

  #watch(options: AddOptions): PrefillOptions {
    let before = 0;
    return {
      signal: options.signal,
      onBlock: (progress) => {
        this.#counts.blocks++;
        // a prefill that begins counts from nothing again
        this.#counts.prefillTokens +=
          progress.doneTokens - (progress.doneTokens > before ? before : 0);
        before = progress.doneTokens;
        options.onProgress?.({
          ...progress,
          seenTokens: this.#run.token,
          episode: progress.episode ?? 0,
          episodes: this.#episodes?.episodes.length ?? 1,
        });
      },
    };
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    try {
      return await work();
    } finally {
      this.#counts.prefillMs += performance.now() - begin;
      this.#peakStored = Math.max(this.#peakStored, this.#store.memoryBytes);
    }
  }

  /** Waits for the calls before, then has the conversation until what it resolves to is called. */
  async #enter(options: AddOptions, hurry?: () => void): Promise<() => void> {
    const refuse = () => {
      if (this.#disposed) throw closedError();
      if (this.#model.executor.ended) throw this.#model.executor.ended;
    };
    refuse();
    const leave = await this.#line.enter(options, hurry);
    const { signal } = options;
    this.#endings = [this.#disposal.signal, ...(signal ? [signal] : [])];
    try {
      refuse();
      return leave;
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #alone(options: AddOptions, work: () => Promise<void>): Promise<void> {
    const leave = await this.#enter(options);
    try {
      await work();
    } finally {
      leave();
    }
  }
}

/** What was said once a part of what is added has gone in. */
interface Taken {
  readonly said: Said;
  readonly heard: string;
  readonly plain: boolean;
}

/** Whether a part goes on with an open message. */
function goesOn(step: Taken | undefined, open: Said['open']): boolean {
  return step?.plain === true && open !== undefined && step.said.open?.before === open.before;
}

function checkMessage(message: Message): Message {
  const { role, content, tool_calls: calls } = message ?? {};
  const parts = Array.isArray(content) && content.every((part) => typeof part?.type === 'string');
  if (typeof role === 'string' && (typeof content === 'string' || parts)) return message;
  // as other interfaces write an answer that only calls tools
  if (typeof role === 'string' && (content ?? null) === null && Array.isArray(calls) && calls[0])
    return { ...message, content: '' };
  const found =
    message !== null && typeof message === 'object'
      ? `role ${describeValue(role)} and content ${describeValue(content)} in an object with ` +
        (Object.keys(message).slice(0, 5).join(', ') || 'nothing')
      : describeValue(message);
  throw new OptionError(
    `a message is { role, content }, the content a text or a list of parts { type, text }; ` +
      `found ${found}`,
  );
}

const BYTES_PER_CHAR = 2;
/** Lines of one call are encoded together up to this many characters. */
const TOGETHER_CHARS = 2048;
/**
 * Another question than any that is asked: it tells where the question begins in what the template
 * writes.
 */
const OTHER = '\u{10fffd}';
