// The server's half of one client's training: it answers what the client asks, in order, and knows
// no connections. What a client says is checked against where its training is.
import type { Sequence } from '../backend/training.ts';
import { ProtocolError } from '../errors.ts';
import type { Network } from '../model/forward.ts';
import { NO_TARGET } from '../model/learning.ts';
import type { LoraShape } from '../train/lora.ts';
import {
  readSnapshot,
  type SnapshotFront,
  type SnapshotRecord,
  type SnapshotSource,
  writeSnapshot,
} from '../train/snapshot.ts';
import { adamWAt } from '../train/trainer.ts';
import type { FrameKind } from './codec/frame.ts';
import type { CodecOptions, FrameName } from './codec/options.ts';
import type { Sample } from './codec/samples.ts';
import { Crossing } from './crossing.ts';
import { Half, type Rooms } from './half.ts';
import type { Message, MessageOf } from './messages.ts';

/** What a client's training is like, beside its adapters. */
export interface ServerHalfOptions {
  readonly shape: LoraShape;
  readonly seed: number;
  /** Most tokens of a batch: the rooms are made for them. */
  readonly tokens: number;
  /** How frames are made: both sides are opened with the same. */
  readonly codec: CodecOptions;
  /** Most batches that wait for their gradients at a time. */
  readonly window: number;
  /** Whether targets come to the server; else hidden states go back to the client. */
  readonly hasHead: boolean;
}

const NOTHING = new Uint8Array(0);

/** What a client may ask. */
export type Asked = MessageOf<
  'learn' | 'measure' | 'through' | 'back' | 'apply' | 'clear' | 'read' | 'end'
>;

/** A batch that came in, checked. */
interface Batch {
  readonly sequences: readonly Sequence[];
  readonly samples: readonly Sample[];
}

export class ServerHalf {
  readonly #half: Half;
  readonly #options: ServerHalfOptions;
  readonly #vocabulary: number;
  /** Where hidden states come in, and, where the head is the client's, go out. */
  readonly entry: Crossing;
  readonly exit?: Crossing;
  /** Samples of batches that went out and have not come back. */
  readonly #out = new Map<number, readonly Sample[]>();
  #step = 0;
  /** Batches of this step that came forward, and that went back. */
  #forward = 0;
  #back = 0;
  /** Sum of the losses of this step so far. */
  #loss = 0;

  /** Throws DeviceError where memory ends, OptionError for the codec; nothing is reserved then. */
  constructor(network: Network, rooms: Rooms, options: ServerHalfOptions) {
    const { codec, tokens: mostTokens, hasHead, shape, seed } = options;
    const { width, vocabulary } = network.config;
    this.entry = new Crossing(codec, { width, mostTokens }, false);
    if (!hasHead) this.exit = new Crossing(codec, { width, mostTokens }, true);
    this.#half = new Half(network, rooms, shape, seed);
    this.#options = options;
    this.#vocabulary = vocabulary;
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  get state(): this {
    return this;
  }

  /** Writes its state at the end of a step. */
  save(write: (bytes: Uint8Array) => void, record: SnapshotRecord): Promise<void> {
    const gates = this.exit?.savedGates();
    return writeSnapshot(write, record, this.#half.parameters, gates);
  }

  /** Goes on from a state. Throws what readSnapshot() does: it is as before then. */
  async restore(from: SnapshotSource, front: SnapshotFront, of: SnapshotRecord['of']) {
    const gates = await readSnapshot(from, front, of, this.#half.parameters);
    this.#step = front.header.step;
    this.#begin();
    // frames to come stand alone
    this.entry.clear();
    this.exit?.restoreGates(gates);
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
        for (const crossing of [this.entry, this.exit]) crossing?.clear();
        return { kind: 'done' };
      case 'read':
        return this.#read(message);
      case 'end':
        return { kind: 'done' };
      default:
        throw new ProtocolError(`the client sent '${message.kind}', which is no question`);
    }
  }

  async #learn({ step, batch, scale, wantsInput, targets, samples, x }: MessageOf<'learn'>) {
    this.#hasHead('learn', true);
    this.#same('learn', 'step', step, this.#step);
    this.#same('learn', 'batch', batch, this.#forward);
    const piece = this.#batchOf(samples);
    this.#checkTargets(targets, piece);
    const pass = this.#half.forward(batch, this.#pieceOf(piece, x, batch, true), false);
    const counted = pass.losses([...targets], scale);
    pass.backward({ wantsInput });
    const gradient = wantsInput ? pass.readInputGradient() : undefined;
    this.#back = ++this.#forward;
    for (const one of await counted) this.#loss += one;
    const dx = gradient ? this.#gradientFrame(await gradient, batch, piece) : NOTHING;
    return { kind: 'learned', loss: this.#loss, dx } as const;
  }

  async #measure({ before, targets, samples, x }: MessageOf<'measure'>) {
    this.#hasHead('measure', true);
    const piece = this.#batchOf(samples);
    this.#checkTargets(targets, piece);
    const pass = this.#half.forward(0, this.#pieceOf(piece, x, 0, false), false);
    let loss = before;
    for (const one of await pass.losses([...targets])) loss += one;
    return { kind: 'learned', loss, dx: NOTHING } as const;
  }

  async #through({ step, batch, learns, samples, x }: MessageOf<'through'>) {
    this.#hasHead('through', false);
    this.#same('through', 'step', step, this.#step);
    if (learns) this.#same('through', 'batch', batch, this.#forward);
    const piece = this.#batchOf(samples);
    if (learns && this.#half.underWay >= this.#options.window)
      throw new ProtocolError(
        `the client sent batch ${batch} while ${this.#options.window} wait for their gradients, ` +
          `as many as may`,
      );
    const pass = this.#half.forward(batch, this.#pieceOf(piece, x, batch, learns), learns);
    const output = pass.readOutput();
    if (learns) {
      this.#forward++;
      this.#out.set(batch, piece.samples);
    }
    const name = this.#nameOf('activations', batch, piece);
    return { kind: 'passed', x: this.exit!.end(learns).encode(await output, name) } as const;
  }

  async #goBack({ step, batch, wantsInput, dx }: MessageOf<'back'>) {
    this.#hasHead('back', false);
    this.#same('back', 'step', step, this.#step);
    this.#same('back', 'batch', batch, this.#back);
    if (batch >= this.#forward)
      throw new ProtocolError(`the client sent a gradient of batch ${batch}, which did not come`);
    const samples = this.#out.get(batch)!;
    const exit = this.exit!;
    const gradient = exit.end(true).decode(dx, this.#nameOf('gradients', batch, { samples }));
    const pass = this.#half.back(batch);
    const output = exit.isLearning ? pass.readOutput() : undefined;
    pass.backward({ dx: gradient, wantsInput });
    const input = wantsInput ? pass.readInputGradient() : undefined;
    this.#out.delete(batch);
    this.#back++;
    if (output) exit.learn(await output, gradient, samples);
    const x = input ? this.#gradientFrame(await input, batch, { samples }) : NOTHING;
    return { kind: 'passed', x } as const;
  }

  #nameOf(kind: FrameKind, microBatch: number, { samples }: Pick<Batch, 'samples'>): FrameName {
    return { kind, step: this.#step, microBatch, samples };
  }

  /** What a frame of the client brings into the layers. */
  #pieceOf({ sequences, samples }: Batch, frame: Uint8Array, batch: number, learns: boolean) {
    const name = this.#nameOf('activations', batch, { samples });
    return { input: this.entry.end(learns).decode(frame, name), sequences };
  }

  #gradientFrame(dx: Float32Array, batch: number, piece: Pick<Batch, 'samples'>): Uint8Array {
    return this.entry.end(true).encode(dx, this.#nameOf('gradients', batch, piece));
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
    this.exit?.step();
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
    this.#out.clear();
    this.#forward = 0;
    this.#back = 0;
    this.#loss = 0;
  }

  /** What ids and counts of samples, one behind the other, make of a batch. */
  #batchOf(given: Int32Array): Batch {
    const { tokens } = this.#options;
    const sequences: Sequence[] = [];
    const samples: Sample[] = [];
    let from = 0;
    for (let i = 0; i + 1 < given.length; i += 2) {
      const [id, count] = [given[i], given[i + 1]];
      if (id < 0 || count < 1 || from + count > tokens)
        throw new ProtocolError(
          `the client sent a sequence of ${count} tokens (line ${id}) behind ${from}, a batch ` +
            `has at most ${tokens}`,
        );
      sequences.push({ from, count });
      samples.push({ id, count });
      from += count;
    }
    if (from === 0) throw new ProtocolError(`the client sent a batch without tokens`);
    this.#same('a batch', 'ids and counts', given.length, 2 * samples.length);
    return { sequences, samples };
  }

  #checkTargets(targets: Int32Array, { samples }: Batch): void {
    const count = samples.reduce((sum, one) => sum + one.count, 0);
    this.#same('a batch', 'targets', targets.length, count);
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
