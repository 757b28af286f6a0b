// A split training of the bundled model in one process, for benches that look at what the server
// gets: both halves, their adapters, and the activations at the cut.
import { Half, Rooms, shapeOf } from '../../src/split/half.ts';
import { type HalfModel, loadHalf } from '../../src/split/load.ts';
import type { Gates } from '../../src/split/codec/gates.ts';
import { type Example, type MicroBatch, packed, targetsIn } from '../../src/train/batches.ts';
import { adamWAt } from '../../src/train/trainer.ts';

/** Tokens of a micro-batch, as docs/split.md counts bytes for. */
export const BATCH_TOKENS = 256;
const SHAPE = { rank: 8, alpha: 16, targets: ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] } as const;
const PACE = { rate: 0.005, clip: 1, decay: 0 };
const SEED = 1;

/** Lines as examples, everything but the first token learned from. */
export const examplesFrom = (lines: readonly (readonly number[])[]): Example[] =>
  lines.map((tokens, i) => ({ tokens, isLearned: tokens.map((_, t) => t > 0), line: i + 1 }));

/** Activations x [T, D] of a micro-batch at the cut. */
export interface Heard extends MicroBatch {
  readonly x: Float32Array;
}

export class ListenedTraining {
  readonly client: HalfModel;
  readonly server: HalfModel;
  readonly #rooms: readonly Rooms[];
  readonly #below: Half;
  readonly #above: Half;
  #step = 0;

  private constructor(client: HalfModel, server: HalfModel) {
    this.client = client;
    this.server = server;
    const shape = { ...SHAPE, targets: [...SHAPE.targets] };
    const sides = [client, server].map(({ network, head }) => {
      const room = shapeOf(network, BATCH_TOKENS, SHAPE.rank, head !== undefined);
      const rooms = new Rooms(network, room);
      return { rooms, half: new Half(network, rooms, shape, SEED) };
    });
    this.#rooms = sides.map(({ rooms }) => rooms);
    [this.#below, this.#above] = sides.map(({ half }) => half);
  }

  static async open(path: string, cut: number): Promise<ListenedTraining> {
    const how = { cut, labels: 'server' } as const;
    const client = await loadHalf(path, 'client', how, { threads: 1 });
    const server = await loadHalf(path, 'server', how, { threads: 1 });
    return new ListenedTraining(client, server);
  }

  /** What comes to the server of examples, as the client's layers are now. */
  async hear(examples: readonly Example[]): Promise<Heard[]> {
    const heard: Heard[] = [];
    for (const micro of packed(examples, BATCH_TOKENS)) {
      const { tokens: input, sequences } = micro;
      const x = await this.#below.forward(0, { input, sequences }, false).readOutput();
      heard.push({ ...micro, x });
    }
    return heard;
  }

  /** Steps on all examples at once; `gates` learn along. Resolves to the last step's mean loss. */
  async train(examples: readonly Example[], steps: number, gates?: Gates): Promise<number> {
    const targets = targetsIn(examples);
    let loss = 0;
    for (let step = 0; step < steps; step++) {
      loss = 0;
      for (const micro of packed(examples, BATCH_TOKENS))
        loss += (await this.#learn(micro, 1 / targets, gates)) / targets;
      const squares = await this.#above.parameters.sumOfSquares(
        await this.#below.parameters.sumOfSquares(),
      );
      for (const { parameters } of [this.#below, this.#above]) {
        parameters.step(adamWAt(this.#step, Math.sqrt(squares), PACE));
        parameters.clearGradients();
      }
      this.#step++;
      gates?.step();
    }
    return loss;
  }

  async #learn(micro: MicroBatch, scale: number, gates: Gates | undefined): Promise<number> {
    const { tokens: input, sequences } = micro;
    const below = this.#below.forward(0, { input, sequences }, false);
    const x = await below.readOutput();
    const above = this.#above.forward(0, { input: x, sequences }, false);
    const losses = above.losses(micro.targets, scale);
    above.backward({ wantsInput: true });
    const dx = await above.readInputGradient();
    if (this.#below.parameters.all.length > 0) below.backward({ dx });
    gates?.learn(x, dx, { width: this.client.config.width });
    return (await losses).reduce((sum, one) => sum + one, 0);
  }

  dispose(): void {
    for (const half of [this.#below, this.#above]) half.dispose();
    for (const rooms of this.#rooms) rooms.dispose();
    for (const model of [this.client, this.server]) model.dispose();
  }
}
