// The client's half of a training: what Trainer does, with the layers behind the cut on the other
// side. Several batches are on their way at once; gradients are added in their order, so that what
// comes out has the bits of a training in one piece.
import { type Example, examplesOf, type MicroBatch, packed, targetsIn } from '../train/batches.ts';
import type { LoraShape } from '../train/lora.ts';
import type { Parameters } from '../train/parameters.ts';
import type { TrainingReport } from '../train/report.ts';
import { rateAt } from '../train/schedule.ts';
import { adamWAt, checkFiniteStep, type TrainerOptions } from '../train/trainer.ts';
import { StoreError } from '../errors.ts';
import { asksAlone } from './codec/codec.ts';
import type { CodecOptions } from './codec/options.ts';
import { crossingBytes } from './crossing.ts';
import { Half, roomBytes, Rooms, shapeOf } from './half.ts';
import { adapterBytes } from '../train/setup.ts';
import type { HalfModel } from './load.ts';
import { type Answer, type Ask, type Asked, BatchQuestions } from './batch-questions.ts';
import type { FrameBytes } from './traffic.ts';
import { Rewound } from './rewound.ts';

export type { Ask };

/** A way to a server, which may have to begin a step again: questions reject with Rewound then. */
export interface Way {
  readonly ask: Ask;
  /** What is asked from here on begins at the end of the last step. */
  again?(): void;
}

export interface ClientOptions extends TrainerOptions {
  readonly shape: LoraShape;
  /** Most tokens of a batch. */
  readonly tokens: number;
  /** Batches on their way at once. */
  readonly depth: number;
  /** How frames are made: both sides are opened with the same. */
  readonly codec: CodecOptions;
}

/** Bytes that a client takes beside its half of the model. */
export function clientBytes(
  { network, head }: HalfModel,
  options: Pick<ClientOptions, 'shape' | 'tokens' | 'depth' | 'codec'>,
): number {
  const { shape, tokens, depth, codec } = options;
  const own = roomBytes(network, shapeOf(network, tokens, shape.rank, false));
  const ends = head ? roomBytes(head, shapeOf(head, tokens, 0, true)) : 0;
  const at = { width: network.config.width, mostTokens: tokens };
  const crossings = crossingBytes(codec, at, head ? 2 : 1);
  return adapterBytes(network, shape) + depth * own + ends + crossings;
}

export class SplitTrainer {
  /** Steps done. */
  step = 0;
  readonly options: ClientOptions;
  readonly #half: Half;
  readonly #rooms: Rooms;
  readonly #way: Way;
  readonly #questions: BatchQuestions;
  /** Numbers of the examples of a list, which name them in frames. */
  readonly #numbers = new WeakMap<readonly Example[], ReadonlyMap<Example, number>>();

  /** Reserves all it needs. Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor(model: HalfModel, way: Way, options: ClientOptions) {
    const { network } = model;
    const { tokens, shape, depth, seed } = options;
    this.options = options;
    this.#questions = new BatchQuestions(model, way.ask, options);
    this.#way = way;
    try {
      this.#rooms = new Rooms(network, shapeOf(network, tokens, shape.rank, false), depth);
      try {
        this.#half = new Half(network, this.#rooms, shape, seed);
      } catch (error) {
        this.#rooms.dispose();
        throw error;
      }
    } catch (error) {
      this.#questions.dispose();
      throw error;
    }
  }

  /** Of the client's layers. */
  get parameters(): Parameters {
    return this.#half.parameters;
  }

  /** What bits are learned from; nothing where they are not. */
  get gates(): Float32Array[] {
    return this.#questions.entry.savedGates();
  }

  /** Goes on behind a step, whose numbers are in place. Throws OptionError for others' gates. */
  goOn(step: number, gates: readonly Float32Array[]): void {
    this.#questions.entry.restoreGates(gates);
    this.step = step;
  }

  /** Bits of each channel (or position) in the next step; U-shaped: and where the head begins. */
  get bits(): Uint8Array[] {
    return this.#questions.bits;
  }

  /** Frames of all steps so far, and of what was measured. */
  get frames(): FrameBytes {
    return this.#questions.counts.sum;
  }

  /** Whether the client's layers have anything to learn. */
  get #hasParameters(): boolean {
    return this.#half.parameters.all.length > 0;
  }

  /** Whether gradients are to come back. */
  get #wantsInput(): boolean {
    return this.#hasParameters || this.#questions.entry.isLearning;
  }

  /** Does something again until no server had to begin again meanwhile. */
  async #whole<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#way.again?.();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Rewound)) throw error;
        this.#half.clear();
        this.#questions.forget();
      }
    }
  }

  /**
   * Learns from the examples of the next step. Throws DeviceError where numbers are not finite any
   * more, what the server refused, the signal's reason: nothing of that step is kept then.
   */
  next(examples: readonly Example[], signal?: AbortSignal): Promise<TrainingReport> {
    return this.#whole(() => this.#next(examples, signal));
  }

  async #next(examples: readonly Example[], signal?: AbortSignal): Promise<TrainingReport> {
    const { batch, seed, steps, clip, decay } = this.options;
    const began = performance.now();
    const chosen = examplesOf(examples, this.step, batch, seed);
    const targets = targetsIn(chosen);
    const batches = [...packed(chosen, this.options.tokens)];
    const rate = rateAt(this.step, this.options);
    let gradientNorm: number;
    let loss: number;
    try {
      const learn = () => this.#learn(batches, this.#numbersOf(examples), 1 / targets, signal);
      loss = (await learn().catch((error) => this.#again(error, learn))) / targets;
      if (!Number.isFinite(loss)) checkFiniteStep(this.step, loss, Number.NaN);
      const squares = await this.#half.parameters.sumOfSquares();
      // squares that left f64's range are no number of a message: the server would not take them
      if (!Number.isFinite(squares)) checkFiniteStep(this.step, loss, squares);
      const { step } = this;
      const asked = { kind: 'apply', step, squares, rate, clip, decay } as const;
      const applied = await this.#questions.expect('applied', asked);
      gradientNorm = applied.finite ? Math.sqrt(applied.squares) : Number.NaN;
      checkFiniteStep(this.step, loss, gradientNorm);
    } catch (error) {
      // the server forgets it too; where it cannot be asked there is no more to do
      if (!(error instanceof Rewound)) await this.#clear().catch(() => undefined);
      throw error;
    }
    this.#half.parameters.step(adamWAt(this.step, gradientNorm, { rate, clip, decay }));
    this.#questions.step();
    this.step++;
    const tokens = batches.reduce((sum, micro) => sum + micro.tokens.length, 0);
    const tokensPerSecond = tokens / ((performance.now() - began) / 1000);
    return { step: this.step, steps, loss, gradientNorm, rate, tokens, tokensPerSecond };
  }

  #clear(): Promise<void> {
    this.#half.clear();
    return this.#questions.clear(this.step);
  }

  /** Once more, where one end had lost what frames build on: the next ones stand alone. */
  async #again(error: unknown, learn: () => Promise<number>): Promise<number> {
    if (!asksAlone(error)) throw error;
    await this.#clear();
    return await learn();
  }

  #numbersOf(examples: readonly Example[]): ReadonlyMap<Example, number> {
    const known = this.#numbers.get(examples);
    const numbers = known ?? new Map(examples.map((example, i) => [example, i]));
    this.#numbers.set(examples, numbers);
    return numbers;
  }

  /** Sum of the losses of a step's batches, whose gradients are added up on both sides. */
  async #learn(
    batches: readonly MicroBatch[],
    numbers: ReadonlyMap<Example, number>,
    scale: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const wantsInput = this.#wantsInput;
    const underWay: { readonly asked: Asked; readonly answer: Promise<Answer> }[] = [];
    let loss = 0;
    const takeOne = async () => {
      const { asked, answer } = underWay.shift()!;
      loss = await this.#goBack(asked, await answer, wantsInput, loss);
    };
    try {
      for (const [batch, micro] of batches.entries()) {
        signal?.throwIfAborted();
        const asked = await this.#forward(batch, micro, numbers, true);
        const answer = this.#questions.learn(asked, scale, wantsInput);
        answer.catch(() => undefined); // whoever awaits it hears of it
        underWay.push({ asked, answer });
        if (underWay.length >= this.options.depth) await takeOne();
      }
      while (underWay.length > 0) await takeOne();
      return loss;
    } finally {
      await Promise.allSettled(underWay.map(({ answer }) => answer));
    }
  }

  /** Takes in what the server says of a batch; returns the losses so far. */
  async #goBack(asked: Asked, answer: Answer, wantsInput: boolean, loss: number): Promise<number> {
    const { entry } = this.#questions;
    const pass = this.#half.back(asked.batch);
    if (wantsInput) {
      const dx = this.#questions.gradientOf(answer, asked);
      if (this.#hasParameters) pass.backward({ dx });
      entry.learn(asked.x, dx, asked.samples);
    }
    return answer.loss(loss);
  }

  async #forward(
    batch: number,
    micro: MicroBatch,
    numbers: ReadonlyMap<Example, number>,
    learns: boolean,
  ): Promise<Asked> {
    const { tokens, sequences, examples } = micro;
    const samples = sequences.map(({ count }, i) => ({ id: numbers.get(examples[i])!, count }));
    const x = await this.#half.forward(batch, { input: tokens, sequences }, learns).readOutput();
    return { step: this.step, batch, micro, samples, x };
  }

  /** Mean loss of the learned tokens of examples, nothing being learned from them. */
  lossOf(examples: readonly Example[], signal?: AbortSignal): Promise<number> {
    return this.#whole(() => this.#lossOf(examples, signal));
  }

  async #lossOf(examples: readonly Example[], signal?: AbortSignal): Promise<number> {
    let sum = 0;
    for (const micro of packed(examples, this.options.tokens)) {
      signal?.throwIfAborted();
      const asked = await this.#forward(0, micro, this.#numbersOf(examples), false);
      sum = await this.#questions.measure(asked, sum);
    }
    return sum / targetsIn(examples);
  }

  /** The numbers of all adapters, the client's and the server's, by name, first layer first. */
  adapters(): Promise<Map<string, Float32Array>> {
    return this.#whole(() => this.#adapters());
  }

  async #adapters(): Promise<Map<string, Float32Array>> {
    const { parameters } = this.#half;
    const numbers = new Map<string, Float32Array>();
    for (const parameter of parameters.all)
      numbers.set(parameter.name, await parameters.read(parameter));
    for (let parameter = 0, count = 1; parameter < count; parameter++) {
      const matrix = await this.#questions.expect('matrix', { kind: 'read', parameter });
      count = matrix.parameters;
      numbers.set(matrix.name, matrix.numbers);
    }
    return numbers;
  }

  /** The training is over: the server gives back what it holds of it. */
  async end(): Promise<void> {
    try {
      await this.#whole(() => this.#questions.expect('done', { kind: 'end' }));
    } catch (error) {
      // a server that was lost as it ended the training has nothing to give back
      if (!(error instanceof StoreError)) throw error;
    }
  }

  dispose(): void {
    this.#questions.dispose();
    this.#half.dispose();
    this.#rooms.dispose();
  }
}
