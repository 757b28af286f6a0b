// The client's half of a training on disk, behind each step: its adapters and their moments, what
// its bits are learned from, and the training at the server that they belong to. Behind the last
// step the server's adapters as well, so that nothing is lost with a server that has ended it.
import { readCheckpoint, type TrainingRecord, writeCheckpoint } from '../train/checkpoint.ts';
import { checksumOfLines } from '../train/identity.ts';
import type { Lines } from '../train/train.ts';
import type { ClientOptions, SplitTrainer } from './client.ts';
import type { HalfModel } from './load.ts';

/** A training's half that was kept. */
export interface ClientRecord extends TrainingRecord {
  /** The training at the server, and the server that had it last. */
  readonly session: string;
  readonly url: string;
  /** Name and numbers of each matrix of all adapters; there is none before the end. */
  readonly adapters?: readonly (readonly [string, number])[];
}

/** What a checkpoint has beside the client's numbers: at the end, those of all adapters. */
export interface Stored {
  readonly record: ClientRecord;
  readonly adapters?: ReadonlyMap<string, Float32Array>;
}

type Progress = Pick<ClientRecord, 'losses' | 'heldOut' | 'session' | 'url'>;

export class ClientCheckpoint {
  readonly #path: string;
  readonly #of: ClientRecord['of'];

  /** `codec`: how frames are made, as the server is told. */
  constructor(
    path: string,
    model: HalfModel,
    lines: Lines,
    { shape, tokens, rate, schedule, warmup, steps, batch, decay, clip, seed }: ClientOptions,
    codec: string,
  ) {
    const { rank, alpha, targets } = shape;
    const told = {
      ...{ rate, schedule, warmup, steps, batch, decay, clip, seed },
      ...{ rank, alpha, targets: targets.join() },
      ...{ cut: model.cut.cut, labels: model.cut.labels, codec },
      'number of examples held out': lines.heldOut.length,
      'number of tokens at a time (memory)': tokens,
      'build of the kernels': model.network.backend.build,
      'checksum of all lines': checksumOfLines(lines),
      "model's fingerprint": model.fingerprint,
    };
    this.#path = path;
    this.#of = Object.fromEntries(Object.entries(told).map(([key, value]) => [key, String(value)]));
  }

  /**
   * Puts what was kept into a trainer; undefined where nothing was. Throws StoreError for a damaged
   * checkpoint, OptionError for another training's.
   */
  async read(trainer: SplitTrainer): Promise<Stored | undefined> {
    const kept = await readCheckpoint<ClientRecord>(this.#path, this.#of, trainer.parameters);
    if (!kept) return undefined;
    const { record, others } = kept;
    const matrices = (record.adapters ?? []).map(([name]) => name);
    const gates = others.slice(0, others.length - matrices.length);
    trainer.goOn(record.step, gates);
    const numbers = others.slice(gates.length);
    const adapters = new Map(matrices.map((name, i) => [name, numbers[i]]));
    return record.adapters ? { record, adapters } : { record };
  }

  /** Throws StoreError where it cannot be written; what was there before is there still. */
  async write(
    trainer: SplitTrainer,
    progress: Progress,
    adapters?: ReadonlyMap<string, Float32Array>,
  ): Promise<void> {
    const { step, parameters, gates } = trainer;
    const names = adapters && [...adapters].map(([name, { length }]) => [name, length] as const);
    const { session, url, losses, heldOut } = progress;
    const about = { step, of: this.#of, losses, heldOut, session, url };
    const record: ClientRecord = { ...about, ...(names && { adapters: names }) };
    const others = [...gates, ...(adapters?.values() ?? [])];
    await writeCheckpoint(this.#path, record, parameters, others);
  }
}
