// What the client asks of the server about a batch: hidden states there and gradients back, as
// frames; and, where labels stay with the client, through its own head between the two.
import { errorOf, ProtocolError } from '../errors.ts';
import { LearningPass } from '../model/learning.ts';
import { createLearningRoom, type LearningRoom } from '../model/learning-room.ts';
import type { MicroBatch } from '../train/batches.ts';
import type { FrameKind } from './codec/frame.ts';
import type { CodecOptions, FrameName } from './codec/options.ts';
import type { Sample } from './codec/samples.ts';
import { Crossing } from './crossing.ts';
import { shapeOf } from './half.ts';
import type { HalfModel } from './load.ts';
import type { Kind, Message, MessageOf } from './messages.ts';
import { FrameCounts } from './traffic.ts';

/** Asks the server; answers come in the order of the questions. */
export type Ask = (message: Message) => Promise<Message>;

/** An answer of a kind. Throws what the server failed by, ProtocolError for any other answer. */
export async function expectAnswer<K extends Kind>(
  kind: K,
  answer: Promise<Message>,
): Promise<MessageOf<K>> {
  const message = await answer;
  if (message.kind === kind) return message as MessageOf<K>;
  if (message.kind === 'failed') throw errorOf(message);
  throw new ProtocolError(`the server answered '${message.kind}', expected '${kind}'`);
}

/** A batch of a step, and what its lines are numbered. */
export interface Asked {
  readonly step: number;
  readonly batch: number;
  readonly micro: MicroBatch;
  readonly samples: readonly Sample[];
  /** Hidden states f32 [T, D] where the client's layers end. */
  readonly x: Float32Array;
}

export interface Answer {
  /** The losses so far, with those of this batch. */
  loss(before: number): number;
  /** Frame of the gradient of x; empty where it was not wanted. */
  readonly dx: Uint8Array;
}

export class BatchQuestions {
  /** Where hidden states leave the client, and, where the head is here, come back to it. */
  readonly entry: Crossing;
  readonly exit?: Crossing;
  /** Frames so far. */
  readonly counts: FrameCounts;
  readonly #ask: Ask;
  readonly #head?: { readonly room: LearningRoom; readonly pass: LearningPass };

  /** Throws OptionError for the codec, DeviceError where memory ends; nothing is reserved then. */
  constructor(
    { network: { config }, head }: HalfModel,
    ask: Ask,
    { codec, tokens }: { readonly codec: CodecOptions; readonly tokens: number },
  ) {
    const shape = { width: config.width, mostTokens: tokens };
    this.#ask = ask;
    this.counts = new FrameCounts(codec.byToken ? tokens : config.width);
    this.entry = new Crossing(codec, shape, true);
    if (!head) return;
    this.exit = new Crossing(codec, shape, false);
    const { weights, backend } = head;
    const room = createLearningRoom(config, weights, backend, shapeOf(head, tokens, 0, true));
    this.#head = { room, pass: new LearningPass(head, room, () => undefined) };
  }

  /** Bits of each channel (or position), at the entry and at the exit. */
  get bits(): Uint8Array[] {
    return [this.entry, ...(this.exit ? [this.exit] : [])].map(({ bits }) => bits);
  }

  /** Asks about a batch, at once; awaits the answer. */
  async learn(asked: Asked, scale: number, wantsInput: boolean): Promise<Answer> {
    const { step, batch, micro } = asked;
    const x = this.#encode(this.entry, asked.x, nameOf('activations', asked), true);
    const samples = wordsOf(asked.samples);
    if (this.#head) return this.#learnHere(asked, x, scale, wantsInput);
    const targets = Int32Array.from(micro.targets);
    const what = { step, batch, scale, wantsInput, samples, targets, x };
    const { loss, dx } = await this.expect('learned', { kind: 'learn', ...what });
    return { loss: () => loss, dx };
  }

  /** U-shaped: through the server's layers and back to the labels, and the same backwards. */
  async #learnHere(
    asked: Asked,
    frame: Uint8Array,
    scale: number,
    wantsInput: boolean,
  ): Promise<Answer> {
    const { step, batch, micro } = asked;
    const samples = wordsOf(asked.samples);
    const there = { kind: 'through', step, batch, learns: true, samples, x: frame } as const;
    const passed = await this.expect('passed', there);
    const exit = this.exit!;
    const x = this.#decode(exit, passed.x, nameOf('activations', asked), true);
    const { pass } = this.#head!;
    // all is asked of the backend before anybody else can use the head's room
    pass.forward(x, micro.sequences);
    const [read, gradient] = [pass.losses(micro.targets, scale), pass.readInputGradient()];
    const [losses, dx] = await Promise.all([read, gradient]);
    const back = this.#encode(exit, dx, nameOf('gradients', asked), true);
    const gone = await this.expect('passed', { kind: 'back', step, batch, wantsInput, dx: back });
    return { loss: (before) => losses.reduce((sum, one) => sum + one, before), dx: gone.x };
  }

  /** The gradient of x that an answer brought; answers in the order of batches. */
  gradientOf({ dx }: Answer, asked: Asked): Float32Array {
    return this.#decode(this.entry, dx, nameOf('gradients', asked), true);
  }

  /** The losses so far, with those of a batch that nothing is learned from. */
  async measure(asked: Asked, before: number): Promise<number> {
    const { step, batch, micro } = asked;
    const name = nameOf('activations', asked);
    const x = this.#encode(this.entry, asked.x, name, false);
    const samples = wordsOf(asked.samples);
    if (!this.#head) {
      const targets = Int32Array.from(micro.targets);
      const what = { before, samples, targets, x };
      return (await this.expect('learned', { kind: 'measure', ...what })).loss;
    }
    const there = { kind: 'through', step, batch, learns: false, samples, x } as const;
    const passed = await this.expect('passed', there);
    const { pass } = this.#head;
    pass.forward(this.#decode(this.exit!, passed.x, name, false), micro.sequences);
    return (await pass.losses(micro.targets)).reduce((sum, one) => sum + one, before);
  }

  /** A step was made: bits of the next one are settled. */
  step(): void {
    this.entry.step(); // the server settles the exit's
  }

  /** A step begins again, here and at the server: frames to come stand alone. */
  async clear(step: number): Promise<void> {
    this.forget();
    await this.expect('done', { kind: 'clear', step });
  }

  /** The same, where the server has begun again already. */
  forget(): void {
    this.entry.clear();
    this.exit?.clear();
  }

  #encode(at: Crossing, x: Float32Array, name: FrameName, learns: boolean): Uint8Array {
    const frame = at.end(learns).encode(x, name);
    this.counts.add(frame);
    return frame;
  }

  #decode(at: Crossing, frame: Uint8Array, name: FrameName, learns: boolean): Float32Array {
    const x = at.end(learns).decode(frame, name);
    this.counts.add(frame);
    return x;
  }

  /** The answer to a question. Throws what the server says, ProtocolError for another answer. */
  expect<K extends Kind>(kind: K, question: Message): Promise<MessageOf<K>> {
    return expectAnswer(kind, this.#ask(question));
  }

  dispose(): void {
    this.#head?.room.dispose();
  }
}

const nameOf = (kind: FrameKind, { step, batch, samples }: Asked): FrameName => ({
  ...{ kind, step, samples },
  microBatch: batch,
});

const wordsOf = (samples: readonly Sample[]): Int32Array =>
  Int32Array.from(samples.flatMap(({ id, count }) => [id, count]));
