// Trains an adapter with half a model here and the other half at a server: checks lines and
// options, plans this side's bytes, connects, and goes on step by step.
import { BudgetError, OptionError } from '../errors.ts';
import { formatBytes } from '../math/format.ts';
import type { AdapterData } from '../model/adapter/write.ts';
import { settle } from '../options/table.ts';
import { stepsPerEpoch } from '../train/batches.ts';
import { loraMatrices, type LoraShape } from '../train/lora.ts';
import { rowsOf } from '../train/parameters.ts';
import { goodTokens } from '../train/plan.ts';
import type { HeldOut } from '../train/report.ts';
import { adapterOf } from '../train/trained.ts';
import {
  alphaOf,
  followSteps,
  type Lines,
  MEMORY,
  readLines,
  stepTokens,
  trainerOptions,
} from '../train/train.ts';
import { type Ask, clientBytes, type ClientOptions, SplitTrainer } from './client.ts';
import { codecOf, toldCodec } from './codec-options.ts';
import { ClientCheckpoint, type ClientRecord, type Stored } from './client-checkpoint.ts';
import { Link } from './link.ts';
import type { HalfModel } from './load.ts';
import { type SplitTrainOptions, splitTrainTable } from './options.ts';
import { batchBytes, MOST_GREETING_BYTES } from './pieces.ts';
import { CourseKeeper, type SplitCourse, type SplitTraffic, trafficOf } from './report.ts';
import { VERSION } from './version.ts';

const settled = (options: SplitTrainOptions) => settle('split training', options, splitTrainTable);
type Settled = ReturnType<typeof settled>;

export interface SplitResult {
  readonly steps: number;
  /** Mean loss a token of each step, in nats. */
  readonly losses: readonly number[];
  readonly heldOut?: HeldOut;
  /** All of the adapter: the client's layers' and the server's. */
  readonly adapter: AdapterData;
  readonly traffic: SplitTraffic;
  readonly course: SplitCourse;
}

export interface PreparedSplit {
  readonly steps: number;
  readonly learnedLines: number;
  readonly heldOutLines: number;
  /** Bytes beside this half of the model. */
  readonly bytes: number;
  run(): Promise<SplitResult>;
}

/**
 * Checks lines and options, and plans. Nothing is reserved or sent yet. Throws OptionError for
 * options and for lines, naming them; BudgetError where the longest line does not fit.
 */
export function prepareSplit(
  model: HalfModel,
  lines: readonly unknown[],
  given: SplitTrainOptions,
  file = 'data',
): PreparedSplit {
  const options = settled(given);
  const data = readLines(model, lines, file, options);
  const { learned, heldOut } = data;
  const { epochs, batch, rank, targets, depth } = options;
  const steps = options.steps ?? epochs * stepsPerEpoch(learned.length, batch);
  const shape: LoraShape = { rank, alpha: alphaOf(options), targets };
  const longest = Math.max(...[...learned, ...heldOut].map(({ tokens }) => tokens.length));
  const memory = Number(options.memory ?? MEMORY);
  const lengths = learned.map((example) => example.tokens.length);
  const told = toldCodec(options, { steps, width: model.config.width, lengths });
  const codec = codecOf(told);
  const bytesAt = (tokens: number) => clientBytes(model, { shape, tokens, depth, codec });
  let tokens = goodTokens(longest, stepTokens(learned, batch));
  while (tokens > longest && bytesAt(tokens) > memory) tokens = Math.max(longest, tokens >> 1);
  const bytes = bytesAt(tokens);
  if (bytes > memory)
    throw new BudgetError(
      `the longest line has ${longest} tokens; training on it takes ${formatBytes(bytes)} here, ` +
        `memory allows ${formatBytes(memory)}: allow more, split the line, or lower depth` +
        (codec.stateBytes ? ' or stateBytes' : ''),
    );
  const pace = trainerOptions({ ...options, method: 'lora' }, steps);
  const client: ClientOptions = { ...pace, shape, tokens, depth, codec };
  return {
    steps,
    learnedLines: learned.length,
    heldOutLines: heldOut.length,
    bytes,
    run: () => run(model, data, { ...options, told: JSON.stringify(told) }, client),
  };
}

/** Bytes of the largest answer: of a batch, or a matrix of the server's adapters. */
function mostAnswer({ config, cut }: HalfModel, { shape, tokens }: ClientOptions): number {
  const matrices = loraMatrices(config, { first: cut.cut, end: config.layers }, shape);
  const largest = Math.max(0, ...matrices.map(({ at }) => rowsOf(at) * at.columns * 4));
  return Math.max(batchBytes(tokens, config.width), MOST_GREETING_BYTES + largest);
}

/** Where a training goes on, and who keeps it. */
interface Course extends Pick<Settled, 'signal' | 'onProgress' | 'onWay'> {
  readonly lines: Lines;
  readonly shape: LoraShape;
  readonly kept: ClientCheckpoint | undefined;
  readonly stored: Stored | undefined;
}

async function run(
  model: HalfModel,
  lines: Lines,
  options: Settled & { readonly told: string },
  client: ClientOptions,
): Promise<SplitResult> {
  const { checkpoint, told, signal, onProgress, onWay } = options;
  const { shape } = client;
  signal?.throwIfAborted();
  let link: Link | undefined;
  const ask: Ask = (message) => link!.ask(message);
  const trainer = new SplitTrainer(model, { ask, again: () => link?.again() }, client);
  try {
    const kept = checkpoint
      ? new ClientCheckpoint(checkpoint, model, lines, client, told)
      : undefined;
    const stored = await kept?.read(trainer);
    const course: Course = { lines, shape, kept, stored, signal, onProgress, onWay };
    if (!stored?.adapters) link = await open(model, options, client, stored?.record);
    return await trainOn(trainer, link, model, course);
  } finally {
    trainer.dispose();
    link?.close();
  }
}

async function open(
  model: HalfModel,
  { url, token, signal, told: codec, checkpoint }: Settled & { readonly told: string },
  client: ClientOptions,
  stored?: ClientRecord,
): Promise<Link> {
  const { shape, tokens, seed, depth } = client;
  const { rank, alpha, targets } = shape;
  const { cut, labels } = model.cut;
  const { fingerprint } = model;
  const link = await Link.open({
    url,
    hello: {
      ...({ kind: 'hello', version: VERSION, token, fingerprint, cut, labels } as const),
      ...{ tokens, rank, alpha, targets: targets.join(), seed, codec },
      keeps: checkpoint !== undefined,
    },
    ...(stored && { session: { id: stored.session, url: stored.url, step: stored.step } }),
    mostBytes: mostAnswer(model, client),
    signal,
  });
  if (depth <= link.window) return link;
  link.close();
  throw new OptionError(
    `depth is ${depth}, the server takes ${link.window} batches at once: lower it`,
  );
}

/** Of a training that is over. */
const NO_TRAFFIC = { sentBytes: 0, receivedBytes: 0, lifeBytes: 0, reconnects: 0 };

async function trainOn(
  trainer: SplitTrainer,
  link: Link | undefined,
  model: HalfModel,
  { lines, shape, kept, stored, signal, onProgress, onWay }: Course,
): Promise<SplitResult> {
  const keeper = new CourseKeeper();
  const losses = [...(stored?.record.losses ?? [])];
  const heldOut = [...(stored?.record.heldOut ?? [])];
  const traffic = () => trafficOf(link?.traffic ?? NO_TRAFFIC, trainer.frames);
  // f32 has none
  const bits = () => (trainer.options.codec.codec === 'none' ? [] : trainer.bits);
  const keep = async (adapters?: ReadonlyMap<string, Float32Array>) => {
    if (!link || !kept) return;
    const { id: session, url } = link.place;
    await kept.write(trainer, { losses, heldOut, session, url }, adapters);
  };
  await followSteps(trainer, lines, { losses, measured: heldOut }, signal, async (report) => {
    await keep();
    onWay?.({ traffic: traffic(), meanBits: keeper.add(report.step, traffic(), bits()) });
    onProgress?.(report);
  });
  if (keeper.course.bytes.length === 0) keeper.add(trainer.step, traffic(), bits());
  const adapters = stored?.adapters ?? (await trainer.adapters());
  if (link) {
    await keep(adapters);
    await trainer.end();
  }
  return {
    steps: trainer.step,
    losses,
    ...(heldOut.length > 0 && { heldOut: { lines: lines.heldOut.length, losses: heldOut } }),
    adapter: adapterOf(model, adapters, shape),
    traffic: traffic(),
    course: keeper.course,
  };
}
