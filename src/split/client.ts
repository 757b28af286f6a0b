// The client's half of a training: what Trainer does, with the layers behind the cut on the other
// side. Several batches are on their way at once; gradients are added in their order, so that what
// comes out has the bits of a training in one piece.
import { errorOf, ProtocolError } from '../errors.ts';
import { LearningPass } from '../model/learning.ts';
import { createLearningRoom, type LearningRoom } from '../model/learning-room.ts';
import { type Example, examplesOf, type MicroBatch, packed, targetsIn } from '../train/batches.ts';
import type { LoraShape } from '../train/lora.ts';
import type { TrainingReport } from '../train/report.ts';
import { rateAt } from '../train/schedule.ts';
import { adamWAt, checkFiniteStep, type TrainerOptions } from '../train/trainer.ts';
import { Half, roomBytes, Rooms, shapeOf } from './half.ts';
import { adapterBytes } from '../train/setup.ts';
import type { HalfModel } from './load.ts';
import type { Kind, Message, MessageOf } from './messages.ts';

/** Asks the server; answers come in the order of the questions. */
export type Ask = (message: Message) => Promise<Message>;

export interface ClientOptions extends TrainerOptions {
  readonly shape: LoraShape;
  /** Most tokens of a batch. */
  readonly tokens: number;
  /** Batches on their way at once. */
  readonly depth: number;
}

/** Losses of a batch, once its gradient is there. */
type Answer = { readonly losses: Float32Array; readonly dx: Float32Array };

/** Bytes that a client takes beside its half of the model. */
export function clientBytes(
  { network, head }: HalfModel,
  { shape, tokens, depth }: Pick<ClientOptions, 'shape' | 'tokens' | 'depth'>,
): number {
  const own = roomBytes(network, shapeOf(network, tokens, shape.rank, false));
  const ends = head ? roomBytes(head, shapeOf(head, tokens, 0, true)) : 0;
  return adapterBytes(network, shape) + depth * own + ends;
}

export class SplitTrainer {
  /** Steps done. */
  step = 0;
  readonly #half: Half;
  readonly #rooms: Rooms;
  readonly #head?: { readonly room: LearningRoom; readonly pass: LearningPass };
  readonly options: ClientOptions;
  readonly #ask: Ask;

  /** Reserves all it needs. Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor({ network, head }: HalfModel, ask: Ask, options: ClientOptions) {
    const { tokens, shape, depth, seed } = options;
    this.options = options;
    this.#ask = ask;
    this.#rooms = new Rooms(network, shapeOf(network, tokens, shape.rank, false), depth);
    try {
      this.#half = new Half(network, this.#rooms, shape, seed);
      try {
        if (head) {
          const { config, weights, backend } = head;
          const room = createLearningRoom(config, weights, backend, shapeOf(head, tokens, 0, true));
          this.#head = { room, pass: new LearningPass(head, room, () => undefined) };
        }
      } catch (error) {
        this.#half.dispose();
        throw error;
      }
    } catch (error) {
      this.#rooms.dispose();
      throw error;
    }
  }

  /** Whether the client's layers have anything to learn. */
  get #wantsInput(): boolean {
    return this.#half.parameters.all.length > 0;
  }

  /**
   * Learns from the examples of the next step. Throws DeviceError where numbers are not finite any
   * more, what the server refused, the signal's reason: nothing of that step is kept then.
   */
  async next(examples: readonly Example[], signal?: AbortSignal): Promise<TrainingReport> {
    const { batch, seed, steps, clip, decay } = this.options;
    const began = performance.now();
    const chosen = examplesOf(examples, this.step, batch, seed);
    const targets = targetsIn(chosen);
    const batches = [...packed(chosen, this.options.tokens)];
    const rate = rateAt(this.step, this.options);
    let gradientNorm: number;
    let loss: number;
    try {
      loss = (await this.#learn(batches, 1 / targets, signal)) / targets;
      if (!Number.isFinite(loss)) checkFiniteStep(this.step, loss, Number.NaN);
      const squares = await this.#half.parameters.sumOfSquares();
      // squares that left f64's range are no JSON: the server would not take them
      if (!Number.isFinite(squares)) checkFiniteStep(this.step, loss, squares);
      const { step } = this;
      const asked = { kind: 'apply', step, squares, rate, clip, decay } as const;
      const applied = await this.#expect('applied', this.#ask(asked));
      gradientNorm = applied.finite ? Math.sqrt(applied.squares) : Number.NaN;
      checkFiniteStep(this.step, loss, gradientNorm);
    } catch (error) {
      this.#half.clear();
      // the server forgets it too; where it cannot be asked there is no more to do
      await this.#ask({ kind: 'clear', step: this.step }).catch(() => undefined);
      throw error;
    }
    this.#half.parameters.step(adamWAt(this.step, gradientNorm, { rate, clip, decay }));
    this.step++;
    const tokens = batches.reduce((sum, micro) => sum + micro.tokens.length, 0);
    const tokensPerSecond = tokens / ((performance.now() - began) / 1000);
    return { step: this.step, steps, loss, gradientNorm, rate, tokens, tokensPerSecond };
  }

  /** Sum of the losses of a step's batches, whose gradients are added up on both sides. */
  async #learn(
    batches: readonly MicroBatch[],
    scale: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const underWay: { readonly batch: number; readonly answer: Promise<Answer> }[] = [];
    let loss = 0;
    const takeOne = async () => {
      const { batch, answer } = underWay.shift()!;
      const { losses, dx } = await answer;
      const pass = this.#half.back(batch);
      if (this.#wantsInput) pass.backward({ dx });
      for (const one of losses) loss += one;
    };
    try {
      for (const [batch, micro] of batches.entries()) {
        signal?.throwIfAborted();
        const x = await this.#forward(batch, micro, true).readOutput();
        const answer = this.#head
          ? this.#headHere(batch, micro, x, scale)
          : this.#headThere(batch, micro, x, scale);
        answer.catch(() => undefined); // whoever awaits it hears of it
        underWay.push({ batch, answer });
        if (underWay.length >= this.options.depth) await takeOne();
      }
      while (underWay.length > 0) await takeOne();
      return loss;
    } finally {
      await Promise.allSettled(underWay.map(({ answer }) => answer));
    }
  }

  #forward(batch: number, { tokens, sequences }: MicroBatch, learns: boolean): LearningPass {
    return this.#half.forward(batch, { input: tokens, sequences }, learns);
  }

  async #headThere(
    batch: number,
    { sequences, targets }: MicroBatch,
    x: Float32Array,
    scale: number,
  ): Promise<Answer> {
    const asked = {
      kind: 'learn',
      step: this.step,
      batch,
      scale,
      wantsInput: this.#wantsInput,
      sequences: countsOf(sequences),
      targets: Int32Array.from(targets),
      x,
    } as const;
    return this.#expect('learned', this.#ask(asked));
  }

  /** U-shaped: through the server's layers and back to the labels, and the same backwards. */
  async #headHere(
    batch: number,
    { sequences, targets }: MicroBatch,
    x: Float32Array,
    scale: number,
  ): Promise<Answer> {
    const { step } = this;
    const counts = countsOf(sequences);
    const there = { kind: 'through', step, batch, learns: true, sequences: counts, x } as const;
    const passed = await this.#expect('passed', this.#ask(there));
    const { pass } = this.#head!;
    // all is asked of the backend before anybody else can use the head's room
    pass.forward(passed.x, sequences);
    const [read, gradient] = [pass.losses(targets, scale), pass.readInputGradient()];
    const [losses, dx] = await Promise.all([read, gradient]);
    const back = { kind: 'back', step, batch, wantsInput: this.#wantsInput, dx } as const;
    const gone = await this.#expect('passed', this.#ask(back));
    return { losses, dx: gone.x };
  }

  /** Mean loss of the learned tokens of examples, nothing being learned from them. */
  async lossOf(examples: readonly Example[], signal?: AbortSignal): Promise<number> {
    let sum = 0;
    for (const micro of packed(examples, this.options.tokens)) {
      signal?.throwIfAborted();
      const x = await this.#forward(0, micro, false).readOutput();
      for (const one of await this.#measure(micro, x)) sum += one;
    }
    return sum / targetsIn(examples);
  }

  async #measure({ sequences, targets }: MicroBatch, x: Float32Array): Promise<Float32Array> {
    const counts = countsOf(sequences);
    if (!this.#head) {
      const wanted = Int32Array.from(targets);
      const asked = { kind: 'measure', sequences: counts, targets: wanted, x } as const;
      return (await this.#expect('learned', this.#ask(asked))).losses;
    }
    const { step } = this;
    const asked = { kind: 'through', step, batch: 0, learns: false, sequences: counts, x } as const;
    const passed = await this.#expect('passed', this.#ask(asked));
    this.#head.pass.forward(passed.x, sequences);
    return this.#head.pass.losses(targets);
  }

  /** The numbers of all adapters, the client's and the server's, by name, first layer first. */
  async adapters(): Promise<Map<string, Float32Array>> {
    const { parameters } = this.#half;
    const numbers = new Map<string, Float32Array>();
    for (const parameter of parameters.all)
      numbers.set(parameter.name, await parameters.read(parameter));
    for (let parameter = 0, count = 1; parameter < count; parameter++) {
      const asked = this.#ask({ kind: 'read', parameter });
      const matrix = await this.#expect('matrix', asked);
      count = matrix.parameters;
      numbers.set(matrix.name, matrix.numbers);
    }
    return numbers;
  }

  /** The training is over: the server gives back what it holds of it. */
  async end(): Promise<void> {
    await this.#expect('done', this.#ask({ kind: 'end' }));
  }

  async #expect<K extends Kind>(kind: K, answer: Promise<Message>): Promise<MessageOf<K>> {
    const message = await answer;
    if (message.kind === kind) return message as MessageOf<K>;
    if (message.kind === 'failed') throw errorOf(message);
    throw new ProtocolError(`the server answered '${message.kind}', expected '${kind}'`);
  }

  dispose(): void {
    this.#head?.room.dispose();
    this.#half.dispose();
    this.#rooms.dispose();
  }
}

const countsOf = (sequences: MicroBatch['sequences']): Int32Array =>
  Int32Array.from(sequences, ({ count }) => count);
