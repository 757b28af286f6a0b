// A training whose hidden states and gradients are rounded where the model is cut: in one process,
// one batch after the other, without messages, for the two halves to be compared with.
import { LearningPass } from '../../src/model/learning.ts';
import { createLearningRoom } from '../../src/model/learning-room.ts';
import type { Network } from '../../src/model/forward.ts';
import type { ClientOptions } from '../../src/split/client.ts';
import { CodecEnd } from '../../src/split/codec/codec.ts';
import type { FrameKind } from '../../src/split/codec/frame.ts';
import { createGates } from '../../src/split/codec/options.ts';
import { positionsOf, type Sample } from '../../src/split/codec/samples.ts';
import { shapeOf } from '../../src/split/half.ts';
import { type Cut, loadHalf } from '../../src/split/load.ts';
import { type Example, examplesOf, packed, targetsIn } from '../../src/train/batches.ts';
import { rateAt } from '../../src/train/schedule.ts';
import { reserveAdapter } from '../../src/train/setup.ts';
import { adamWAt } from '../../src/train/trainer.ts';
import type { Outcome } from './halves.ts';

/** A batch that was sent: its step, what was in it, and the bytes of its frames, in their order. */
export interface SentBatch {
  readonly step: number;
  readonly tokens: number;
  readonly lines: number;
  readonly frames: number[];
}

/** Both ends of one cut, and the gates of the one that sends activations. */
class Rounded {
  readonly #options: ClientOptions;
  readonly #shape: { readonly width: number; readonly mostTokens: number };
  readonly #sender: CodecEnd;
  readonly #receiver: CodecEnd;
  readonly #gates;
  constructor(options: ClientOptions, width: number) {
    this.#options = options;
    this.#shape = { width, mostTokens: options.tokens };
    this.#sender = new CodecEnd(options.codec, this.#shape);
    this.#receiver = new CodecEnd(options.codec, this.#shape);
    this.#gates = createGates(options.codec, this.#shape);
  }

  get bits(): Uint8Array {
    return this.#sender.bits;
  }

  over(kind: FrameKind, x: Float32Array, at: Where, frames: number[]): Float32Array {
    const name = { kind, step: at.step, microBatch: at.batch, samples: at.samples };
    const [from, to] =
      kind === 'activations' ? [this.#sender, this.#receiver] : [this.#receiver, this.#sender];
    const frame = from.encode(x, name);
    frames.push(frame.length);
    return to.decode(frame, name);
  }

  /** What nothing is learned from: with the same bits, by ends that know nothing. */
  apart(x: Float32Array, at: Where): Float32Array {
    const codec = { ...this.#options.codec, stateBytes: 0 };
    const [from, to] = [new CodecEnd(codec, this.#shape), new CodecEnd(codec, this.#shape)];
    from.setBits(this.#sender.bits);
    const name = { kind: 'activations', step: 0, microBatch: 0, samples: at.samples } as const;
    return to.decode(from.encode(x, name), name);
  }

  learn(x: Float32Array, dx: Float32Array, { samples }: Where): void {
    const positions = this.#options.codec.byToken ? positionsOf(samples) : undefined;
    this.#gates?.learn(x, dx, { width: this.#shape.width, positions });
  }

  step(): void {
    this.#gates?.step();
    if (this.#gates) this.#sender.setBits(this.#gates.whole);
  }

  forget(): void {
    this.#sender.forget();
    this.#receiver.forget();
  }
}

interface Where {
  readonly step: number;
  readonly batch: number;
  readonly samples: readonly Sample[];
}

/** Layers, and what is trained of them. */
function layersOf(network: Network, { tokens, shape, seed }: ClientOptions, hasHead: boolean) {
  const adapted = reserveAdapter(network, shape, seed);
  const room = createLearningRoom(
    network.config,
    network.weights,
    network.backend,
    shapeOf(network, tokens, shape.rank, hasHead),
  );
  const pass = new LearningPass(adapted.network, room, adapted.parameters.gradientOf);
  return { pass, parameters: adapted.parameters };
}

/** Trains; both ends forget before each step of `forgets`. */
export async function simulate(
  path: string,
  cut: Cut,
  options: ClientOptions,
  examples: readonly Example[],
  { forgets = [], measured = [] }: { forgets?: number[]; measured?: readonly Example[] } = {},
) {
  const lower = await loadHalf(path, 'client', cut, { threads: 1 });
  const upper = await loadHalf(path, 'server', cut, { threads: 1 });
  const { tokens } = options;
  const first = layersOf(lower.network, options, false);
  const second = layersOf(upper.network, options, upper.head !== undefined);
  const { width } = lower.config;
  const entry = new Rounded(options, width);
  const exit = lower.head && new Rounded(options, width);
  const head = lower.head;
  const headPass =
    head &&
    new LearningPass(
      head,
      createLearningRoom(head.config, head.weights, head.backend, shapeOf(head, tokens, 0, true)),
      () => undefined,
    );
  const batches: SentBatch[] = [];

  const samplesOf = (sequences: readonly { count: number }[], of: readonly Example[]) =>
    sequences.map(({ count }, i) => ({ id: examples.indexOf(of[i]), count }));

  async function learn(step: number): Promise<[loss: number, norm: number]> {
    const { batch: size, seed, clip, decay } = options;
    const chosen = examplesOf(examples, step, size, seed);
    const targets = targetsIn(chosen);
    let [loss, batch] = [0, 0];
    for (const { tokens: ids, sequences, targets: wanted, examples: of } of packed(
      chosen,
      tokens,
    )) {
      const at = { step, batch: batch++, samples: samplesOf(sequences, of) };
      const frames: number[] = [];
      batches.push({ step, tokens: ids.length, lines: of.length, frames });
      first.pass.forward(ids, sequences);
      const x = await first.pass.readOutput();
      second.pass.forward(entry.over('activations', x, at, frames), sequences);
      let losses: Float32Array;
      if (headPass && exit) {
        const y = await second.pass.readOutput();
        headPass.forward(exit.over('activations', y, at, frames), sequences);
        losses = await headPass.losses([...wanted], 1 / targets);
        const dy = exit.over('gradients', await headPass.readInputGradient(), at, frames);
        exit.learn(y, dy, at);
        second.pass.backward({ dx: dy, wantsInput: true });
      } else {
        losses = await second.pass.losses([...wanted], 1 / targets);
        second.pass.backward({ wantsInput: true });
      }
      const gradient = await second.pass.readInputGradient();
      const dx = entry.over('gradients', gradient, at, frames);
      if (first.parameters.all.length > 0) first.pass.backward({ dx });
      entry.learn(x, dx, at);
      for (const one of losses) loss += one;
    }
    const squares = await second.parameters.sumOfSquares(await first.parameters.sumOfSquares());
    const norm = Math.sqrt(squares);
    const how = adamWAt(step, norm, { rate: rateAt(step, options), clip, decay });
    for (const { parameters } of [first, second]) {
      parameters.step(how);
      parameters.clearGradients();
    }
    for (const one of [entry, exit]) one?.step();
    return [loss / targets, norm];
  }

  async function lossOf(of: readonly Example[]): Promise<number> {
    let loss = 0;
    for (const { tokens: ids, sequences, targets, examples: own } of packed(of, tokens)) {
      const at = { step: 0, batch: 0, samples: samplesOf(sequences, own).map(named) };
      first.pass.forward(ids, sequences);
      second.pass.forward(entry.apart(await first.pass.readOutput(), at), sequences);
      if (headPass && exit)
        headPass.forward(exit.apart(await second.pass.readOutput(), at), sequences);
      for (const one of await (headPass ?? second.pass).losses([...targets])) loss += one;
    }
    return loss / targetsIn(of);
  }

  const [losses, norms]: number[][] = [[], []];
  const bits: Uint8Array[][] = [];
  for (let step = 0; step < options.steps; step++) {
    if (forgets.includes(step)) for (const one of [entry, exit]) one?.forget();
    const [loss, norm] = await learn(step);
    losses.push(loss);
    norms.push(norm);
    bits.push([entry, ...(exit ? [exit] : [])].map((one) => one.bits));
  }
  const adapters = new Map<string, Float32Array>();
  for (const { parameters } of [first, second])
    for (const one of parameters.all) adapters.set(one.name, await parameters.read(one));
  const outcome: Outcome = { losses, norms, measured: await lossOf(measured), adapters };
  lower.dispose();
  upper.dispose();
  return { outcome, batches, bits };
}

const named = ({ count }: Sample, id: number): Sample => ({ id, count });
