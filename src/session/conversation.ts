// What a user holds: a conversation of any length with a model, inside a budget that is reserved when it opens.
import { decode, type FinishReason } from '../engine/decode.ts';
import { type Plan, planRun } from '../engine/plan.ts';
import { prefill, type PrefillOptions } from '../engine/prefill.ts';
import { Run } from '../engine/run.ts';
import type { OnKept } from '../engine/stage.ts';
import { createSampler, type SampleOptions } from '../engine/sample.ts';
import { createEmbedder } from '../episode/embedders.ts';
import { Episodes } from '../episode/episodes.ts';
import { History } from '../episode/history.ts';
import { recall } from '../episode/recall.ts';
import { SegmentIndex } from '../episode/segment-index.ts';
import { diskStore, type EpisodeStore, memoryStore } from '../episode/store.ts';
import { ContextError, OptionError } from '../errors.ts';
import type { Message } from '../model/chat-template.ts';
import type { Model } from '../engine/model.ts';
import { type ConversationOptions, type Instructions, readOptions } from './options.ts';

export interface AddOptions {
  /** Stops between two blocks: what was not forwarded yet waits for the next call, nothing that was added is lost. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: AddProgress) => void;
}

export interface AddProgress {
  readonly doneTokens: number;
  readonly totalTokens: number;
  readonly blockMs: number;
  /** Tokens that the cache being made has seen, and bytes of its rows after the block. */
  readonly seenTokens: number;
  readonly cacheBytes: number;
  /** Which episode's cache is being made, of how many; 0 of 1 without episodes. */
  readonly episode: number;
  readonly episodes: number;
}

export interface AskOptions extends SampleOptions, AddOptions {
  /** Longest reply in tokens. Default 256. */
  readonly maxTokens?: number;
  /** Whether question and reply become part of the conversation. Default true; false asks independently of other questions. */
  readonly keep?: boolean;
  /** Whether the model's chat template is put around the question. Default true. */
  readonly template?: boolean;
}

export interface MemoryReport {
  /** Bytes reserved for good when the conversation opened: cache at its fullest, scratch, logits, stored episodes in memory. */
  readonly promisedBytes: number;
  /** Most of them that were ever in use at once; never more than promised. */
  readonly peakBytes: number;
  readonly promisedCacheBytes: number;
  readonly peakCacheBytes: number;
  /** Bytes of cached rows now. */
  readonly cacheBytes: number;
  /** Bytes of stored episodes in memory now (part of the promise). */
  readonly storedBytes: number;
  /** Bytes of what was said, kept for episodes (to make their caches again) and for recall: text, 4 bytes a token, vectors. Grows. */
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
  readonly prefillTokens: number;
  readonly prefillMs: number;
  /** Tokens forwarded one by one after a reply's first, and the time that took. */
  readonly decodeTokens: number;
  readonly decodeMs: number;
  /** From the question's first token (its episode being resident) to the reply's, of the last question. */
  readonly firstTokenMs: number;
  readonly blocks: number;
  /** Episode that answered last, and how many there are; undefined without episodes. */
  readonly episode?: number;
  readonly episodes?: number;
  /** All episodes that answered last: one, or two. */
  readonly answeredFrom: readonly number[];
  /** Rows reserved for recall, and the tokens that the last question recalled. */
  readonly recallRows: number;
  readonly recalledTokens: number;
}

/** A reply: iterate over its pieces of text as they come, or await text(). */
export interface Reply extends AsyncIterable<string> {
  /** The whole reply; starts it where it isn't being iterated. */
  text(): Promise<string>;
  /** Why it ended; undefined before. */
  readonly finishReason: FinishReason | undefined;
}

const DEFAULT_REPLY_TOKENS = 256;

/**
 * Opens a conversation with a model. Everything it will ever hold is reserved now.
 *
 *     using conversation = openConversation(model, { budget: '8MB', policy: 'epicache' });
 *     await conversation.add(['Mia: My dog is called Rex.\n', 'Ravi: Lovely.\n']);
 *     for await (const piece of conversation.ask("What is Mia's dog called?")) process.stdout.write(piece);
 *
 * Throws OptionError for wrong options, BudgetError for a budget that is too small (saying the smallest), DeviceError where memory ends (where the
 * layers are in workers, the first call that uses them rejects with it).
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
  #pending: number[] = []; // tokens that wait for their block to fill; with episodes all is in the history alone
  readonly #history: History | undefined; // where there are episodes, or recall
  readonly #turns: SegmentIndex | undefined; // what recall chooses from: single turns, so that much fits into few rows
  #framed = false; // plain text was added and its frame (the template's system message) is still open
  #begun = false;
  #busy = false;
  #disposed = false;
  #peakStored = 0;
  #counts = { prefillTokens: 0, prefillMs: 0, decodeTokens: 0, decodeMs: 0, firstTokenMs: 0, blocks: 0 };
  #answering: number[] = []; // episodes, the best first
  #recalledTokens = 0;

  constructor(model: Model, options: ConversationOptions) {
    const settings = readOptions(options, model);
    this.#model = model;
    this.plan = planRun(model.executor, settings.plan);
    this.#instructions = settings.instructions;
    this.#store = settings.episodes.store === undefined ? memoryStore() : diskStore(settings.episodes.store);
    const { observe } = this.plan.policy;
    const indexOf = (turns: number) => new SegmentIndex(createEmbedder(settings.episodes.embedder, model), turns);
    const episodic = observe.queries === 'patched' && observe.prompt === 'episode';
    if (episodic || this.plan.recallRows > 0) this.#history = new History();
    if (this.plan.recallRows > 0) this.#turns = indexOf(1);
    this.#run = new Run(model.executor, this.plan);
    if (observe.queries === 'patched') {
      if (observe.prompt === 'episode')
        this.#episodes = new Episodes(this.#run, indexOf(settings.episodes.segmentTurns), this.#store, settings.episodes, (text) =>
          this.#patch('episode', text),
        );
      else if (observe.prompt === 'summary') {
        const summary = this.#patch('summary', '');
        this.#run.prompt = () => summary;
      } else {
        const instruction = this.#patch('repeat', '');
        this.#run.prompt = (block) => [...instruction, ...block];
      }
    }
  }

  /** A listener that hears after each block which tokens every layer and head kept. */
  set onKept(listen: OnKept | undefined) {
    this.#run.onKept = listen;
  }

  get memory(): MemoryReport {
    const { plan } = this;
    const run = this.#run;
    const promisedStored = plan.promisedBytes - plan.promisedFixedBytes - plan.promisedCacheBytes;
    return {
      promisedBytes: plan.promisedBytes,
      peakBytes: run.peakBytes - promisedStored + this.#peakStored,
      promisedCacheBytes: plan.promisedCacheBytes,
      peakCacheBytes: run.layers.peakCacheBytes,
      cacheBytes: run.layers.cacheBytes,
      storedBytes: this.#store.memoryBytes,
      historyBytes: (this.#history?.bytes ?? 0) + (this.#turns?.bytes ?? 0) + (this.#episodes?.indexBytes ?? 0),
    };
  }

  get statistics(): Statistics {
    return {
      tokens: this.#episodes ? this.#history!.length : this.#run.token + this.#pending.length,
      budgetRows: this.plan.rows,
      budgetLayers: this.plan.layerRows,
      policy: this.plan.policy.name,
      build: this.#model.backend.build,
      threads: this.#model.backend.threads,
      pipeline: this.#model.executor.stages.length,
      ...this.#counts,
      episode: this.#answering[0],
      answeredFrom: this.#answering,
      episodes: this.#episodes?.episodes.length,
      recallRows: this.plan.recallRows,
      recalledTokens: this.#recalledTokens,
    };
  }

  /** The episodes as they are now: their segments and medoids; empty without episodes or before the first question. */
  get episodes(): Pick<Episodes, 'segments' | 'episodes' | 'clusterings'> {
    return this.#episodes ?? { segments: [], episodes: [], clusterings: 0 };
  }

  /**
   * Adds to the conversation: text (one utterance a line), utterances (each with its own line break), or messages. Text goes into one
   * system message of the model's template, messages become messages. Full blocks are forwarded at once, the rest with the next question.
   * Throws OptionError for nothing to add, BudgetError where policy 'full' runs out, the signal's reason when aborted.
   */
  async add(input: string | readonly string[] | Message | readonly Message[], options: AddOptions = {}): Promise<void> {
    await this.#alone(options, async () => {
      const utterances = this.#read(input);
      this.#begin();
      for (const { text, plain } of utterances) this.#take(this.#model.tokenizer.encode(text), text, plain);
      const { blockSize } = this.plan;
      await this.#prefill(this.#pending.splice(0, Math.floor(this.#pending.length / blockSize) * blockSize), options);
    });
  }

  /** Forwards what still waits for its block to fill (and makes the caches of all episodes), so that the next question does not have to. */
  async flush(options: AddOptions = {}): Promise<void> {
    await this.#alone(options, async () => {
      if (this.#episodes) await this.#timed(() => this.#episodes!.prepare(this.#history!, this.#watch(options)));
      else await this.#prefill(this.#pending.splice(0), options);
    });
  }

  /**
   * Asks. The reply streams while it is made; ending the iteration early ends the reply. An abort rejects with the signal's reason and
   * leaves the conversation as it was before the question (where nothing had to be evicted since).
   * Throws ContextError for a question longer than a block, OptionError for wrong options.
   */
  ask(question: string | Message, options: AskOptions = {}): Reply {
    const sample = createSampler(options);
    let finishReason: FinishReason | undefined;
    const generate = () =>
      this.#generate(question, options, sample, (reason) => {
        finishReason = reason;
      });
    let started: AsyncGenerator<string> | undefined;
    return {
      [Symbol.asyncIterator]() {
        started ??= generate();
        return started;
      },
      async text() {
        let text = '';
        for await (const piece of this) text += piece;
        return text;
      },
      get finishReason() {
        return finishReason;
      },
    };
  }

  /** Frees everything. Stored episodes are deleted. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#run.dispose();
    void this.#store.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Frees everything and waits until stored files are deleted. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    await this.#store.clear();
  }

  async *#generate(
    question: string | Message,
    options: AskOptions,
    sample: (logits: Float32Array) => number,
    finish: (reason: FinishReason) => void,
  ): AsyncGenerator<string> {
    const { keep = true, template = true, maxTokens = DEFAULT_REPLY_TOKENS } = options;
    if (!Number.isInteger(maxTokens) || maxTokens < 1) throw new OptionError(`maxTokens is ${maxTokens}, expected a whole number from 1`);
    const message: Message = typeof question === 'string' ? { role: 'user', content: question } : question;
    if (typeof message?.content !== 'string' || message.content.trim() === '') throw new OptionError('the question is empty: pass some text');
    const { chatTemplate, tokenizer } = this.#model;
    this.#enter(options);
    try {
      if (!keep && !this.#begun) throw new OptionError('the conversation is empty: add to it first, or ask with keep: true to begin one');
      this.#closeFrame();
      const first = !this.#begun;
      this.#begin();
      const text = template ? chatTemplate.append(message, first) + chatTemplate.reply : message.content;
      const asked = tokenizer.encode(text);
      if (asked.length > this.plan.blockSize) {
        throw new ContextError(
          `the question has ${asked.length} tokens, a block holds ${this.plan.blockSize}: shorten it, add its text to the conversation first, or raise blockSize`,
        );
      }
      if (this.#episodes) this.#answering = await this.#timed(() => this.#episodes!.focus(message.content, this.#history!, this.#watch(options)));
      else await this.#prefill(this.#pending.splice(0), options);

      const run = this.#run;
      await run.makeRoom(this.plan.recallRows + asked.length);
      const before = run.mark();
      const replied: number[] = [];
      const stream = tokenizer.stream();
      const begin = performance.now();
      let firstToken = begin;
      let kept = false;
      try {
        await this.#recall(message.content);
        const how = { sample, endTokens: tokenizer.endTokens, signal: options.signal };
        const recalled = this.#recalledTokens > 0;
        let tokens = decode(run, asked, { ...how, maxTokens, evict: keep && !recalled });
        let step = await tokens.next();
        firstToken = performance.now();
        this.#counts.firstTokenMs = firstToken - begin;
        for (;;) {
          while (!step.done) {
            replied.push(step.value);
            const piece = stream.push(step.value);
            if (piece !== '') yield piece;
            step = await tokens.next();
          }
          if (step.value === 'end' || replied.length === maxTokens || !keep || this.#recalledTokens === 0) break;
          // the reply outgrew its room: what was recalled makes way, and the reply goes on behind the question and what it said so far
          await run.rewind(before);
          this.#recalledTokens = 0;
          const said = [...asked, ...replied];
          const last = said.splice(Math.floor((said.length - 1) / this.plan.blockSize) * this.plan.blockSize);
          await prefill(run, said, { signal: options.signal });
          tokens = decode(run, last, { ...how, maxTokens: maxTokens - replied.length, evict: true });
          step = await tokens.next();
        }
        const rest = stream.end();
        if (rest !== '') yield rest;
        finish(step.value);
        kept = keep;
      } finally {
        // each reply token but one that ends by length was forwarded after the first had come
        this.#counts.decodeMs += performance.now() - firstToken;
        this.#counts.decodeTokens += Math.max(0, run.token - before.token - asked.length - this.#recalledTokens);
        // A reply that was broken off is no part of the conversation, unless its rows can no longer be told apart. One behind recalled text is
        // taken back too, and waits to be read again without it.
        const rewound = (!kept || this.#recalledTokens > 0) && (await run.rewind(before));
        if (kept || !rewound) this.#keep(message, text, asked, replied, template, before.token);
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Forwards again what a question needs and the cache has lost, into the rows reserved for it. */
  async #recall(question: string): Promise<void> {
    this.#recalledTokens = 0;
    const { recallRows, blockSize } = this.plan;
    if (recallRows === 0) return;
    const { tokenizer, chatTemplate } = this.#model;
    const encode = (text: string) => tokenizer.encode(text);
    const [opening, closing] = chatTemplate.around.map(encode);
    // the conversation has begun already
    const frame = [opening[0] === tokenizer.bosToken ? opening.slice(1) : opening, closing] as const;
    const { tokens } = await recall(question, recallRows, this.#turns!, this.#history!, (spans) => this.#run.held(spans), encode, frame);
    for (let at = 0; at < tokens.length; at += blockSize) await this.#run.extend(tokens.slice(at, at + blockSize));
    this.#recalledTokens = tokens.length;
  }

  /** Makes question and reply part of the conversation: the reply's last token and what the template puts behind it are still to go in. */
  #keep(question: Message, text: string, asked: readonly number[], replied: readonly number[], template: boolean, from: number): void {
    const { tokenizer, chatTemplate } = this.#model;
    const forwarded = Math.max(0, this.#run.token - from);
    const closing = template ? tokenizer.encode(chatTemplate.closing) : [];
    this.#take([...asked], `${template ? question.content : text}\n`, false);
    this.#take([...replied, ...closing], `${tokenizer.decode(replied)}\n`, false);
    // what the cache has seen of it does not wait
    this.#pending.splice(this.#pending.length - asked.length - replied.length - closing.length, forwarded);
  }

  /** Takes tokens in: an utterance's where there is text, else a frame's. */
  #take(tokens: readonly number[], text?: string, plain = false): void {
    if (!this.#episodes) this.#pending.push(...tokens);
    if (text === undefined) this.#history?.addTokens(tokens);
    else this.#history?.add(text, tokens, plain);
  }

  /** Text as utterances, exactly as the model will read them. */
  #read(input: string | readonly string[] | Message | readonly Message[]): { text: string; plain: boolean }[] {
    const items = Array.isArray(input) ? (input as readonly (string | Message)[]) : [input as string | Message];
    if (items.length === 0 || items.every((item) => (typeof item === 'string' ? item : item?.content) === ''))
      throw new OptionError('there is nothing to add: pass text, utterances or messages');
    const { chatTemplate } = this.#model;
    return items.flatMap((item, i): { text: string; plain: boolean }[] => {
      if (typeof item === 'string') {
        const opening = this.#framed ? '' : chatTemplate.around[0];
        this.#framed = true;
        const lines = Array.isArray(input) ? [item] : (item.match(/[^\n]*\n|[^\n]+$/g) ?? []);
        return (opening === '' ? lines : [opening, ...lines]).map((text) => ({ text, plain: true }));
      }
      if (typeof item?.role !== 'string' || typeof item.content !== 'string')
        throw new OptionError(`a message is { role, content }, found ${JSON.stringify(item)?.slice(0, 80)}`);
      this.#closeFrame();
      return [{ text: chatTemplate.append(item, !this.#begun && i === 0), plain: false }];
    });
  }

  /** Ends the system message that plain text was put into. */
  #closeFrame(): void {
    if (!this.#framed) return;
    this.#framed = false;
    this.#take(this.#model.tokenizer.encode(this.#model.chatTemplate.around[1]));
  }

  /** Puts the BOS token in front of the first thing said, where the model wants one and its template has not written it. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const { addBos, bosToken, bosText } = this.#model.tokenizer;
    if (addBos && bosToken !== undefined && !this.#model.chatTemplate.writesBos(bosText)) this.#take([bosToken]);
  }

  /** The tokens of a patched prompt: instruction and assistant turn where there is an instruction, then the text. */
  #patch(kind: keyof Instructions, text: string): number[] {
    const { tokenizer, chatTemplate } = this.#model;
    const instruction = this.#instructions[kind];
    const lead = instruction === '' && kind !== 'summary' ? '' : instruction + chatTemplate.reply;
    const tokens = tokenizer.encode(lead + text);
    // a prompt of nothing could not look: without instruction and template a line break stands for the summary's beginning
    return tokens.length > 0 ? tokens : text === '' && kind !== 'summary' ? [] : tokenizer.encode('\n');
  }

  /** Forwards tokens; where that is broken off, those that were not forwarded wait again, before what waits already. */
  async #prefill(tokens: readonly number[], options: AddOptions): Promise<void> {
    if (tokens.length === 0) return;
    const before = this.#run.token;
    try {
      await this.#timed(() => prefill(this.#run, tokens, this.#watch(options)));
    } catch (error) {
      this.#pending = [...tokens.slice(this.#run.token - before), ...this.#pending];
      throw error;
    }
  }

  #watch(options: AddOptions): PrefillOptions {
    let before = 0;
    return {
      signal: options.signal,
      onBlock: (progress) => {
        this.#counts.blocks++;
        // a prefill that begins counts from nothing again
        this.#counts.prefillTokens += progress.doneTokens - (progress.doneTokens > before ? before : 0);
        before = progress.doneTokens;
        options.onProgress?.({ ...progress, seenTokens: this.#run.token, episode: progress.episode ?? 0, episodes: this.#episodes?.episodes.length ?? 1 });
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

  /** Begins a call, before anything is taken out of the conversation's hands: an abort that came earlier costs nothing. */
  #enter({ signal }: AddOptions): void {
    if (this.#disposed) throw new OptionError('the conversation was disposed of: open another one');
    if (this.#busy) throw new OptionError('the conversation is busy with another call: await or end that one first');
    signal?.throwIfAborted();
    this.#busy = true;
  }

  async #alone(options: AddOptions, work: () => Promise<void>): Promise<void> {
    this.#enter(options);
    try {
      await work();
    } finally {
      this.#busy = false;
    }
  }
}
