// One training of half a model with the other half in this process, its numbers rounded by a codec,
// and what lines that it was not shown say about it afterwards, through the same cut.
import { DeviceError, OptionError } from '../../src/errors.ts';
import { targetNames } from '../../src/model/adapter/spec.ts';
import { NO_TARGET } from '../../src/model/learning.ts';
import { applyLinear } from '../../src/model/linear.ts';
import type { ModelInput } from '../../src/model/source.ts';
import { type Ask, type ClientOptions, SplitTrainer } from '../../src/split/client.ts';
import type { CodecOptions } from '../../src/split/codec/options.ts';
import { Rooms, shapeOf } from '../../src/split/half.ts';
import { type HalfModel, loadHalf } from '../../src/split/load.ts';
import type { MessageOf } from '../../src/split/messages.ts';
import { ServerHalf } from '../../src/split/server-half.ts';
import { type Example, stepsPerEpoch } from '../../src/train/batches.ts';

/** Both halves of a model, loaded once for all trainings. */
export interface Halves {
  readonly client: HalfModel;
  readonly server: HalfModel;
}

export async function loadHalves(input: ModelInput, cut: number): Promise<Halves> {
  const at = { cut, labels: 'server' } as const;
  const client = await loadHalf(input, 'client', at, { threads: 1 });
  const server = await loadHalf(input, 'server', at, { threads: 1 });
  return { client, server };
}

/** What a model is trained for. */
export interface Task {
  readonly name: string;
  readonly learned: readonly Example[];
  /** Questions: what is learned of each is its answer. */
  readonly heldOut: readonly Example[];
  readonly epochs: number;
  readonly rate: number;
}

export interface TrialResult {
  /** Mean loss a token of each step, in nats; they end where numbers were not finite any more. */
  readonly losses: readonly number[];
  readonly isWhole: boolean;
  /** Bytes of the frames of each step, both ways, headers counted; and of the numbers as f32. */
  readonly bytes: readonly number[];
  readonly plainBytes: readonly number[];
  /** For each held-out question: 1 where its whole answer is what greedy decoding gives. */
  readonly right: readonly number[];
  /** Mean loss of an answer's tokens, for each. */
  readonly heldOut: readonly number[];
  /** How many channels have 0, 1, .. 8 bits at the end. */
  readonly channelBits: readonly number[];
  readonly seconds: number;
}

const BATCH = 8;
const RANK = 8;
/** Steps in which the rate rises: a share of all, as train() has it. */
const [WARMUP_SHARE, MOST_WARMUP] = [20, 20];

export const stepsOf = ({ learned, epochs }: Task): number =>
  epochs * stepsPerEpoch(learned.length, BATCH);

function optionsOf(task: Task, codec: CodecOptions, seed: number): ClientOptions {
  const steps = stepsOf(task);
  const longest = Math.max(...[...task.learned, ...task.heldOut].map((e) => e.tokens.length));
  const warmup = Math.min(MOST_WARMUP, Math.floor(steps / WARMUP_SHARE));
  return {
    ...{ codec, steps, seed, warmup, rate: task.rate, schedule: 'cosine' },
    ...{ batch: BATCH, decay: 0, clip: 1, depth: 1, tokens: longest * BATCH },
    shape: { rank: RANK, alpha: 2 * RANK, targets: targetNames },
  };
}

/** Trains, and measures. */
export async function runTrial(
  { client, server }: Halves,
  task: Task,
  codec: CodecOptions,
  seed: number,
): Promise<TrialResult> {
  const began = performance.now();
  const options = optionsOf(task, codec, seed);
  const { tokens, shape, steps } = options;
  const rooms = new Rooms(server.network, shapeOf(server.network, tokens, shape.rank, true));
  const how = { shape, seed, tokens, codec, window: 1, hasHead: true };
  const half = new ServerHalf(server.network, rooms, how);
  const result = { bytes: [] as number[], plainBytes: [] as number[] };
  const [right, heldOut]: number[][] = [[], []];
  const ask: Ask = async (message) => {
    const answer = await half.answer(message);
    if (message.kind === 'learn' && answer.kind === 'learned') {
      const { step, x, targets } = message;
      const plain = 2 * 4 * targets.length * client.config.width;
      result.bytes[step] = (result.bytes[step] ?? 0) + x.length + answer.dx.length;
      result.plainBytes[step] = (result.plainBytes[step] ?? 0) + plain;
    }
    if (message.kind === 'measure')
      for (const one of await judge(server, rooms, message)) {
        right.push(one.isRight ? 1 : 0);
        heldOut.push(one.loss);
      }
    return answer;
  };
  const trainer = new SplitTrainer(client, { ask }, options);
  const { losses, isWhole } = await train(trainer, task, steps);
  if (isWhole) await trainer.lossOf(task.heldOut);
  const channelBits = new Array<number>(9).fill(0);
  for (const b of trainer.bits[0]) channelBits[b]++;
  trainer.dispose();
  half.dispose();
  rooms.dispose();
  const seconds = (performance.now() - began) / 1000;
  return { ...result, losses, isWhole, right, heldOut, channelBits, seconds };
}

/** All steps, or as many as there are finite numbers for. */
async function train(trainer: SplitTrainer, { learned }: Task, steps: number) {
  const losses: number[] = [];
  try {
    for (let step = 0; step < steps; step++) losses.push((await trainer.next(learned)).loss);
    return { losses, isWhole: true };
  } catch (error) {
    // what a codec refuses to send, and what a training may not go on with
    if (error instanceof DeviceError || (error instanceof OptionError && /NaN/.test(error.message)))
      return { losses, isWhole: false };
    throw error;
  }
}

/** For each sequence that was measured: whether all its targets are the likeliest; its loss. */
async function judge(
  { network: { backend, weights, config } }: HalfModel,
  { rooms: [room] }: Rooms,
  { samples, targets }: MessageOf<'measure'>,
): Promise<{ isRight: boolean; loss: number }[]> {
  const { normed, logits, tokens } = room.head;
  const V = config.vocabulary;
  const count = targets.filter((t) => t !== NO_TARGET).length;
  if (count > tokens) throw new RangeError(`${count} targets, at most ${tokens} are judged`);
  // the loss has left its gradient where log-odds were
  applyLinear(backend, [[logits, { weight: weights.output! }]], normed, count);
  const odds = await backend.readFloats(logits.address, count * V);
  let [row, from] = [0, 0];
  return Array.from({ length: samples.length / 2 }, (_, i) => {
    const end = from + samples[2 * i + 1];
    const wanted = [...targets.subarray(from, end)].filter((t) => t !== NO_TARGET);
    from = end;
    let [isRight, loss] = [true, 0];
    for (const target of wanted) {
      const one = odds.subarray(row * V, ++row * V);
      const best = one.reduce((a, b) => Math.max(a, b));
      isRight &&= one[target] === best;
      const sum = one.reduce((a, v) => a + Math.exp(v - best), 0);
      loss += (best + Math.log(sum) - one[target]) / wanted.length;
    }
    return { isRight, loss };
  });
}
