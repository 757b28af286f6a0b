// One training of half a model with the other half in this process, through the frames of a codec,
// and what lines that it was not shown say about it afterwards.
import { loadModel } from '../../src/engine/model.ts';
import { ggufAdapter } from '../../src/model/adapter/write.ts';
import { targetNames } from '../../src/model/adapter/spec.ts';
import type { Network } from '../../src/model/forward.ts';
import { joined } from '../../src/math/joined.ts';
import { LearningPass, NO_TARGET } from '../../src/model/learning.ts';
import { createLearningRoom, type LearningRoom } from '../../src/model/learning-room.ts';
import { applyLinear } from '../../src/model/linear.ts';
import type { ModelInput } from '../../src/model/source.ts';
import { adapterOf } from '../../src/train/trained.ts';
import { type Ask, type ClientOptions, SplitTrainer } from '../../src/split/client.ts';
import { codecOf, type SplitCodecOptions, toldCodec } from '../../src/split/codec-options.ts';
import { Rooms, shapeOf } from '../../src/split/half.ts';
import { type HalfModel, loadHalf } from '../../src/split/load.ts';
import { decode, encode } from '../../src/split/messages.ts';
import { ServerHalf } from '../../src/split/server-half.ts';
import { type Example, packed, stepsPerEpoch } from '../../src/train/batches.ts';
import { networkOf } from '../../src/train/setup.ts';

/** Both halves of a model, loaded once for all trainings. */
export interface Halves {
  readonly input: ModelInput;
  readonly client: HalfModel;
  readonly server: HalfModel;
  dispose(): void;
}

export async function loadHalves(input: ModelInput, cut: number): Promise<Halves> {
  const at = { cut, labels: 'server' } as const;
  const client = await loadHalf(input, 'client', at, { threads: 1 });
  const server = await loadHalf(input, 'server', at, { threads: 1 });
  return {
    input,
    client,
    server,
    dispose() {
      client.dispose();
      server.dispose();
    },
  };
}

/** A task that a model is trained for. */
export interface Task {
  readonly name: string;
  readonly learned: readonly Example[];
  /** Each a question with its answer, which is what is learned of it. */
  readonly heldOut: readonly Example[];
  readonly epochs: number;
  readonly batch: number;
  readonly rate: number;
}

/** What lines that were not learned from say. */
export interface Measured {
  /** For each: 1 where the whole answer is the likeliest, token by token; else 0. */
  readonly right: readonly number[];
  /** Mean loss of an answer's tokens, in nats. */
  readonly losses: readonly number[];
}

export interface TrialResult {
  /** Mean loss a token of each step, in nats; it ends where numbers were no more finite. */
  readonly losses: readonly number[];
  readonly isFinite: boolean;
  /** Bytes of each step's messages, both ways, and of its numbers as f32. */
  readonly bytes: readonly number[];
  readonly plainBytes: readonly number[];
  /** The adapter in the whole model, f32; and through the cut, rounded as in training. */
  readonly whole: Measured;
  readonly split: Measured;
  /** Bits of each channel at the end. */
  readonly bits: readonly number[];
}

const RANK = 8;
const SHAPE = { rank: RANK, alpha: 2 * RANK, targets: targetNames };
/** What a message costs on the line beside its words: its piece, and the sign that it arrived. */
const PIECE_BYTES = 40;

function optionsOf(
  task: Task,
  { client }: Halves,
  seed: number,
  codec: SplitCodecOptions,
): ClientOptions {
  const { learned, heldOut, epochs, batch, rate } = task;
  const steps = epochs * stepsPerEpoch(learned.length, batch);
  const lengths = learned.map(({ tokens }) => tokens.length);
  const longest = Math.max(...[...learned, ...heldOut].map(({ tokens }) => tokens.length));
  const course = { steps, width: client.config.width, lengths };
  return {
    codec: codecOf(toldCodec(codec, course)),
    ...{ rate, schedule: 'cosine', warmup: Math.min(20, Math.floor(steps / 20)) },
    ...{ steps, batch, decay: 0, clip: 1, seed, depth: 1, shape: SHAPE },
    tokens: Math.max(longest, 256),
  };
}

/** Steps until the last one, or until numbers are not finite any more. */
async function runSteps(
  trainer: SplitTrainer,
  learned: readonly Example[],
  after: () => void,
): Promise<{ losses: number[]; isFinite: boolean }> {
  const losses: number[] = [];
  try {
    for (let step = 0; step < trainer.options.steps; step++) {
      losses.push((await trainer.next(learned)).loss);
      after();
    }
    return { losses, isFinite: true };
  } catch (error) {
    if (!(error instanceof Error) || !/finite|can hold/.test(error.message)) throw error;
    return { losses, isFinite: false };
  }
}

/** Trains, and measures. */
export async function runTrial(
  halves: Halves,
  task: Task,
  seed: number,
  codec: SplitCodecOptions,
): Promise<TrialResult> {
  const { client, server } = halves;
  const options = optionsOf(task, halves, seed, codec);
  const { tokens, shape } = options;
  const { network } = server;
  const rooms = new Rooms(network, shapeOf(network, tokens, shape.rank, true));
  const half = new ServerHalf(network, rooms, { ...options, window: 1, hasHead: true });
  const split = { right: [] as number[], losses: [] as number[] };
  let sum = 0;
  const ask: Ask = async (message) => {
    const question = encode(message);
    const answer = encode(await half.answer(decode(question)));
    sum += question.byteLength + answer.byteLength + 2 * PIECE_BYTES;
    if (message.kind === 'measure') {
      const counts = [...message.samples].filter((_, i) => i % 2 === 1);
      await judge(network, rooms.rooms[0], counts, message.targets, split);
    }
    return decode(answer);
  };
  const trainer = new SplitTrainer(client, { ask }, options);
  const [bytes, plainBytes]: number[][] = [[], []];
  let plain = 0;
  const outcome = await runSteps(trainer, task.learned, () => {
    bytes.push(sum);
    plainBytes.push(trainer.frames.asF32 - plain);
    plain = trainer.frames.asF32;
    sum = 0;
  });
  await trainer.lossOf(task.heldOut);
  const adapter = adapterOf(client, await trainer.adapters(), shape);
  const source = joined(ggufAdapter(adapter, client.config));
  const bits = [...trainer.bits[0]];
  for (const one of [trainer, half, rooms]) one.dispose();
  const whole = await measureWhole(halves.input, source, task.heldOut);
  return { ...outcome, bytes, plainBytes, whole, split, bits };
}

/** What a model with an adapter, in one piece, makes of examples. */
async function measureWhole(
  input: ModelInput,
  source: Uint8Array<ArrayBuffer> | undefined,
  examples: readonly Example[],
): Promise<Measured> {
  const adapters = source ? [{ source }] : [];
  using model = await loadModel(input, { threads: 1, pipeline: 1, adapters });
  const network = networkOf(model);
  const { config, weights, backend } = network;
  const tokens = Math.max(256, ...examples.map((example) => example.tokens.length));
  const room = createLearningRoom(config, weights, backend, shapeOf(network, tokens, RANK, true));
  const pass = new LearningPass(network, room, () => undefined);
  const into = { right: [] as number[], losses: [] as number[] };
  for (const { tokens: ids, sequences, targets } of packed(examples, tokens)) {
    pass.forward(ids, sequences);
    await pass.losses([...targets]);
    const counts = sequences.map(({ count }) => count);
    await judge(network, room, counts, targets, into);
  }
  room.dispose();
  return into;
}

/** What the model makes of a task before it has learned it. */
export const measureUntrained = ({ input }: Halves, { heldOut }: Task): Promise<Measured> =>
  measureWhole(input, undefined, heldOut);

/** Adds, for each sequence, whether all of its targets are the likeliest, and its mean loss. */
async function judge(
  { backend, weights, config: { vocabulary: V } }: Network,
  { head: { normed, logits, tokens } }: LearningRoom,
  counts: readonly number[],
  targets: ArrayLike<number>,
  into: { right: number[]; losses: number[] },
): Promise<void> {
  const wanted = Array.from(targets).filter((target) => target !== NO_TARGET).length;
  if (wanted > tokens) throw new RangeError(`${wanted} targets, at most ${tokens} at once`);
  // the loss has left its gradient where log-odds were
  applyLinear({ backend, T: wanted }, [[logits, { weight: weights.output! }]], normed);
  const odds = await backend.readFloats(logits.address, wanted * V);
  let [row, at] = [0, 0];
  for (const count of counts) {
    const own = Array.from({ length: count }, () => targets[at++]).filter((t) => t !== NO_TARGET);
    let [loss, isRight] = [0, true];
    for (const target of own) {
      const logOdds = odds.subarray(row * V, ++row * V);
      const most = logOdds.reduce((a, b) => Math.max(a, b));
      isRight &&= logOdds[target] === most;
      const total = logOdds.reduce((all, one) => all + Math.exp(one - most), 0);
      loss += (most + Math.log(total) - logOdds[target]) / own.length;
    }
    into.right.push(isRight ? 1 : 0);
    into.losses.push(loss);
  }
}
