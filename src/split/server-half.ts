// The server's half of one client's training: it answers what the client asks, in order, and knows
// no connections. What a client says is checked against where its training is.
import type { Sequence } from '../backend/training.ts';
import { ProtocolError } from '../errors.ts';
import type { Network } from '../model/forward.ts';
import { NO_TARGET } from '../model/learning.ts';
import type { LoraShape } from '../train/lora.ts';
import { adamWAt } from '../train/trainer.ts';
import { Half, type Rooms } from './half.ts';
import type { Message, MessageOf } from './messages.ts';

/** What a client's training is like, beside its adapters. */
export interface ServerHalfOptions {
  readonly shape: LoraShape;
  readonly seed: number;
  /** Most tokens of a batch: the rooms are made for them. */
  readonly tokens: number;
  /** Most batches that wait for their gradients at a time. */
  readonly window: number;
  /** Whether targets come to the server; else hidden states go back to the client. */
  readonly hasHead: boolean;
}

const NOTHING = new Float32Array(0);

/** What a client may ask. */
export type Asked = MessageOf<
  'learn' | 'measure' | 'through' | 'back' | 'apply' | 'clear' | 'read' | 'end'
>;

export class ServerHalf {
  readonly #half: Half;
  readonly #options: ServerHalfOptions;
  readonly #vocabulary: number;
  readonly #width: number;
  #step = 0;
  /** Batches of this step that came forward, and that went back. */
  #forward = 0;
  #back = 0;

  /** Throws DeviceError where memory ends; nothing is left reserved then. */
  constructor(network: Network, rooms: Rooms, options: ServerHalfOptions) {
    this.#half = new Half(network, rooms, options.shape, options.seed);
    this.#options = options;
    this.#vocabulary = network.config.vocabulary;
    this.#width = network.config.width;
  }

  /** Throws ProtocolError for what may not be asked now; the training is as before then. */
  async answer(message: Message): Promise<Message> {
    switch (message.kind) {
      case 'learn':
        return this.#learn(message);
      case 'measure':
        return this.#measure(message);
      case 'through':
        return this.#through(message);
      case 'back':
        return this.#goBack(message);
      case 'apply':
        return this.#apply(message);
      case 'clear':
        this.#same('clear', 'step', message.step, this.#step);
        this.#begin();
        return { kind: 'done' };
      case 'read':
        return this.#read(message);
      case 'end':
        return { kind: 'done' };
      default:
        throw new ProtocolError(`the client sent '${message.kind}', which is no question`);
    }
  }

  async #learn({ step, batch, scale, wantsInput, targets, ...piece }: MessageOf<'learn'>) {
    this.#hasHead('learn', true);
    this.#same('learn', 'step', step, this.#step);
    this.#same('learn', 'batch', batch, this.#forward);
    const sequences = this.#sequencesOf(piece);
    this.#checkTargets(targets, piece.x);
    const pass = this.#half.forward(batch, { input: piece.x, sequences }, false);
    const losses = pass.losses([...targets], scale);
    pass.backward({ wantsInput });
    const dx = wantsInput ? pass.readInputGradient() : Promise.resolve(NOTHING);
    this.#back = ++this.#forward;
    return { kind: 'learned', losses: await losses, dx: await dx } as const;
  }

  async #measure({ targets, ...piece }: MessageOf<'measure'>) {
    this.#hasHead('measure', true);
    const sequences = this.#sequencesOf(piece);
    this.#checkTargets(targets, piece.x);
    const pass = this.#half.forward(0, { input: piece.x, sequences }, false);
    return { kind: 'learned', losses: await pass.losses([...targets]), dx: NOTHING } as const;
  }

  async #through({ step, batch, learns, ...piece }: MessageOf<'through'>) {
    this.#hasHead('through', false);
    this.#same('through', 'step', step, this.#step);
    if (learns) this.#same('through', 'batch', batch, this.#forward);
    const sequences = this.#sequencesOf(piece);
    if (learns && this.#half.underWay >= this.#options.window)
      throw new ProtocolError(
        `the client sent batch ${batch} while ${this.#options.window} wait for their gradients, ` +
          `as many as may`,
      );
    const pass = this.#half.forward(batch, { input: piece.x, sequences }, learns);
    const x = pass.readOutput();
    if (learns) this.#forward++;
    return { kind: 'passed', x: await x } as const;
  }

  async #goBack({ step, batch, wantsInput, dx }: MessageOf<'back'>) {
    this.#hasHead('back', false);
    this.#same('back', 'step', step, this.#step);
    this.#same('back', 'batch', batch, this.#back);
    if (batch >= this.#forward)
      throw new ProtocolError(`the client sent a gradient of batch ${batch}, which did not come`);
    const count = this.#half.tokensOf(batch);
    this.#same('back', 'numbers', dx.length, count * this.#width);
    const pass = this.#half.back(batch);
    pass.backward({ dx, wantsInput });
    this.#back++;
    const x = wantsInput ? pass.readInputGradient() : Promise.resolve(NOTHING);
    return { kind: 'passed', x: await x } as const;
  }

  async #apply({ step, squares: before, ...how }: MessageOf<'apply'>) {
    this.#same('apply', 'step', step, this.#step);
    this.#same('apply', 'batches', this.#back, this.#forward);
    const { parameters } = this.#half;
    const squares = await parameters.sumOfSquares(before);
    const norm = Math.sqrt(squares);
    if (!Number.isFinite(norm)) {
      this.#begin();
      return { kind: 'applied', squares: 0, finite: false } as const;
    }
    parameters.step(adamWAt(step, norm, how));
    this.#step++;
    this.#begin();
    return { kind: 'applied', squares, finite: true } as const;
  }

  async #read({ parameter }: MessageOf<'read'>) {
    const { all } = this.#half.parameters;
    const found = all[parameter];
    if (!found)
      throw new ProtocolError(
        `the client asked for matrix ${parameter}, the server has ${all.length} of its adapters`,
      );
    const numbers = await this.#half.parameters.read(found);
    return { kind: 'matrix', name: found.name, parameters: all.length, numbers } as const;
  }

  /** A step begins, or begins again. */
  #begin(): void {
    this.#half.clear();
    this.#forward = 0;
    this.#back = 0;
  }

  /** Where sequences of a batch stand in it. */
  #sequencesOf({ sequences, x }: Pick<MessageOf<'learn'>, 'sequences' | 'x'>): Sequence[] {
    const { tokens } = this.#options;
    const all: Sequence[] = [];
    let from = 0;
    for (const count of sequences) {
      if (count < 1 || from + count > tokens)
        throw new ProtocolError(
          `the client sent a sequence of ${count} tokens behind ${from}, a batch has at most ` +
            `${tokens}`,
        );
      all.push({ from, count });
      from += count;
    }
    this.#same('a batch', 'numbers', x.length, from * this.#width);
    if (from === 0) throw new ProtocolError(`the client sent a batch without tokens`);
    return all;
  }

  #checkTargets(targets: Int32Array, x: Float32Array): void {
    this.#same('a batch', 'targets', targets.length, x.length / this.#width);
    const odd = targets.find((t) => t !== NO_TARGET && (t < 0 || t >= this.#vocabulary));
    if (odd !== undefined)
      throw new ProtocolError(
        `the client sent target ${odd}, the vocabulary has ${this.#vocabulary} tokens`,
      );
  }

  #hasHead(what: string, wanted: boolean): void {
    if (this.#options.hasHead === wanted) return;
    const who = wanted ? 'client' : 'server';
    throw new ProtocolError(`the client sent '${what}', but the labels are the ${who}'s`);
  }

  #same(what: string, of: string, found: number, expected: number): void {
    if (found === expected) return;
    throw new ProtocolError(`the client sent '${what}' of ${of} ${found}, expected ${expected}`);
  }

  dispose(): void {
    this.#half.dispose();
  }
}
