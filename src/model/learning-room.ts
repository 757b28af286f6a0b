// The memory of training passes: what lies where, and what it takes. A layer's activations are kept
// for its gradient, or computed a second time from the hidden states that went into it; then it
// shares their room with the others.
import type { Angles, Backend } from '../backend/backend.ts';
import { Regions } from '../backend/regions.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import { addAdapterRoom, adapterRoomIn } from './adapter/room.ts';
import { type BlockSpec, type LayerSpec, learningOf } from './blocks/registry.ts';
import type { ModelConfig } from './config.ts';
import type { Room } from './layer.ts';
import type { AdapterRoom } from './linear.ts';
import type { LayerRange } from './tensors.ts';
import { anglesIn, reserveScratch, scratchBytes, scratchShapes } from './workspace.ts';

/** What a training pass is for. */
export interface LearningShape {
  /** Most tokens of a batch. */
  readonly tokens: number;
  /** Layers whose activations are kept: the last ones. The others' are computed again. */
  readonly keptLayers: number;
  /** Tokens whose log-odds are held at a time. */
  readonly headTokens: number;
  /** Highest rank of an adapter; 0: there are none. */
  readonly rank: number;
}

/** A layer's activations. */
export interface LayerRoom {
  /** f32 [T, D]: what goes into each block, and what comes out of the last one. */
  readonly inputs: readonly Tensor[];
  /** f32 [T, D]: what each block gives, where a norm is behind it. */
  readonly outputs: readonly Tensor[];
  readonly blocks: readonly Room[];
  /** Whether they are still there once the layers behind have run. */
  readonly isKept: boolean;
}

export interface LearningRoom {
  readonly ids: Address;
  readonly angles: readonly Angles[];
  /** f32 [T, D]: what goes into the first layer, and what comes out of the last one. */
  readonly input: Tensor;
  readonly output: Tensor;
  readonly layers: readonly LayerRoom[];
  /** f32 [T, D]: a block's input behind its norm, its output; their gradients. */
  readonly normed: Tensor;
  readonly y: Tensor;
  readonly dx: Tensor;
  readonly dh: Tensor;
  readonly adapterRoom?: AdapterRoom;
  /** f32 [T, rank]. */
  readonly low: Address;
  readonly head: HeadRoom;
  readonly bytes: number;
  dispose(): void;
}

/** Where log-odds of some tokens are made, and taken back: f32 [headTokens, D], [headTokens, V]. */
export interface HeadRoom {
  readonly tokens: number;
  readonly rows: Tensor;
  readonly normed: Tensor;
  readonly logits: Tensor;
  readonly targets: Address;
  readonly losses: Address;
}

type Config = Pick<
  ModelConfig,
  'layerSpecs' | 'layers' | 'width' | 'ropes' | 'vocabulary' | 'normEps'
>;

const layersOf = ({ layerSpecs }: Config, { first, end }: LayerRange) =>
  layerSpecs.slice(first, end);

/** What the names of a layer's regions begin with: those that are not kept have the same. */
const placeOf = (layer: number, layers: number, { keptLayers }: LearningShape) =>
  layer >= layers - keptLayers ? `layer ${layer}` : 'layer';

/** A block's room: name of the region, and columns. */
function roomsOf(spec: BlockSpec, place: string, b: number): [key: string, string, number][] {
  const { kept, spare } = learningOf(spec);
  return [
    ...Object.entries(kept(spec)).map(([key, n]) => [key, `${place} ${b} ${key}`, n] as const),
    ...Object.entries(spare(spec)).map(([key, n]) => [key, `spare ${b} ${key}`, n] as const),
  ].map(([key, name, columns]) => [key, name, columns!]);
}

function addLayer(regions: Regions, layer: LayerSpec, place: string, T: number, D: number): void {
  for (const [b, spec] of layer.entries()) {
    if (b > 0) regions.add(`${place} ${b} input`, T, D);
    if (spec.normAfter !== undefined) regions.add(`${place} ${b} output`, T, D);
    for (const [, name, columns] of roomsOf(spec, place, b)) regions.add(name, T, columns);
  }
}

function regionsOf(config: Config, range: LayerRange, shape: LearningShape): Regions {
  const { tokens: T, headTokens } = shape;
  const { width: D, vocabulary: V } = config;
  const layers = layersOf(config, range);
  const regions = new Regions();
  regions.add('ids', T, 1);
  for (const [i, { dims }] of config.ropes.entries()) regions.add(`angles ${i}`, T, dims);
  for (const name of ['normed', 'y', 'dx', 'dh']) regions.add(name, T, D);
  for (const i of [...layers.keys(), layers.length]) regions.add(`x ${i}`, T, D);
  for (const [i, layer] of layers.entries())
    addLayer(regions, layer, placeOf(i, layers.length, shape), T, D);
  regions.add('low', T, shape.rank);
  addAdapterRoom(regions, config, shape.rank, T);
  for (const name of ['head rows', 'head normed']) regions.add(name, headTokens, D);
  regions.add('head logits', headTokens, V);
  for (const name of ['head targets', 'head losses']) regions.add(name, headTokens, 1);
  return regions;
}

/** Bytes that a training pass over layers takes, the backend's scratch included. */
export function learningBytes(
  config: ModelConfig,
  range: LayerRange,
  backend: Backend,
  shape: LearningShape,
): number {
  const scratch = scratchBytes(backend, learningScratch(config, shape));
  return regionsOf(config, range, shape).bytes + scratch;
}

const learningScratch = (config: ModelConfig, { tokens }: LearningShape) =>
  scratchShapes(config, tokens, { training: true });

/** Reserves it. Throws DeviceError where memory ends; nothing is left reserved then. */
export function createLearningRoom(
  config: ModelConfig,
  range: LayerRange,
  backend: Backend,
  shape: LearningShape,
): LearningRoom {
  const { width: D, vocabulary: V } = config;
  const { arena } = backend;
  const regions = regionsOf(config, range, shape);
  const release = reserveScratch(backend, learningScratch(config, shape));
  let start: Address;
  try {
    start = arena.allocate(regions.bytes);
  } catch (error) {
    release();
    throw error;
  }
  const tensor = regions.layOut(start);
  const layers = layersOf(config, range);
  return {
    ids: tensor('ids').address,
    angles: anglesIn(config, tensor),
    input: tensor('x 0', D),
    output: tensor(`x ${layers.length}`, D),
    layers: layers.map((layer, i): LayerRoom => {
      const place = placeOf(i, layers.length, shape);
      const inner = layer.slice(1).map((_, b) => tensor(`${place} ${b + 1} input`, D));
      return {
        inputs: [tensor(`x ${i}`, D), ...inner, tensor(`x ${i + 1}`, D)],
        outputs: layer.map((_, b) => tensor(`${place} ${b} output`, D)),
        blocks: layer.map((spec, b) =>
          Object.fromEntries(
            roomsOf(spec, place, b).map(([key, name, columns]) => [key, tensor(name, columns)]),
          ),
        ),
        isKept: place !== 'layer',
      };
    }),
    normed: tensor('normed', D),
    y: tensor('y', D),
    dx: tensor('dx', D),
    dh: tensor('dh', D),
    adapterRoom: adapterRoomIn(shape.rank, shape.tokens, tensor),
    low: tensor('low').address,
    head: {
      tokens: shape.headTokens,
      rows: tensor('head rows', D),
      normed: tensor('head normed', D),
      logits: tensor('head logits', V),
      targets: tensor('head targets').address,
      losses: tensor('head losses').address,
    },
    bytes: regions.bytes,
    dispose() {
      arena.free(start);
      release();
    },
  };
}
