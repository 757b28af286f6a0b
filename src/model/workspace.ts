// The working memory of forward passes: what lies where, and what it takes. What blocks work in is
// asked of them; blocks of a kind use the same memory, one after the other, and so do all
// conversations on a model: nothing of it is needed once a pass is over, but for the hidden states.
import type { Angles, Backend, ScratchShape } from '../backend/backend.ts';
import { Regions } from '../backend/regions.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import { adapterRoomIn, addAdapterRoom } from './adapter/room.ts';
import { highestRank } from './adapter/spec.ts';
import { attentionIn, type BlockSpec, blockOf } from './blocks/registry.ts';
import type { ModelConfig } from './config.ts';
import type { Room } from './layer.ts';
import type { LayerInputRoom } from './layer-inputs.ts';
import type { AdapterRoom } from './linear.ts';

/**
 * Memory for the passes of a conversation: `tokens` hidden states of its own, and everything else
 * for a `piece` of them at a time.
 */
export interface Workspace {
  readonly tokens: number;
  readonly piece: number;
  /** Whether products may round activations to 8 bits, where the backend does so. */
  readonly coarse: boolean;
  /**
   * Hidden states, f32 [tokens, D]; [pieces][S][piece, D] between layers, where the model has S
   * streams of them.
   */
  readonly x: Tensor;
  /** Inputs of the layers' own, f32 [pieces][L][piece, P], where the model has such. */
  readonly layerInputs?: Tensor | undefined;
  /** What passes share. It lies elsewhere once another conversation is opened or closed. */
  readonly shared: SharedRoom;
  dispose(): void;
}

/** What is needed while a pass runs. */
export interface SharedRoom {
  /** i32 [piece], MOST_DRAWN at least. */
  readonly ids: Address;
  /** Rotations of a piece, by the model's ropes. */
  readonly angles: readonly Angles[];
  /** f32 [piece, D]: what lies between hidden states and a block, before it and behind it. */
  readonly between: Tensor;
  /** Where the model's layers have inputs of their own: see Workspace.layerInputs. */
  readonly inputRoom?: Pick<LayerInputRoom, 'projected' | 'ids'> | undefined;
  /** f32 [piece, D], where blocks stand beside each other: what the first of two gave. */
  readonly aside?: Tensor;
  /** What the blocks of each of the model's layers work in. */
  readonly rooms: readonly (readonly Room[])[];
  /** Where the model has adapters. */
  readonly adapterRoom?: AdapterRoom;
  /** f32 [1, V]. */
  readonly logits: Tensor;
}

/** Tokens that are drawn at once at most, one after the other, where log-odds are far away. */
export const MOST_DRAWN = 16;

/** The scratch of passes of up to `tokens` tokens at a time, by the layers that differ. */
export function scratchShapes(
  config: ModelConfig,
  tokens: number,
  { training }: Pick<ScratchShape, 'training'> = {},
): ScratchShape[] {
  const { width: D, layerSpecs } = config;
  const tensors = layerSpecs
    .flat()
    .flatMap((spec) => Object.values(blockOf(spec).tensors(spec, D)));
  const width = Math.max(D, ...tensors.map((tensor) => tensor?.columns ?? 0));
  const common = { tokens, width, training };
  const none = { queryHeads: 1, kvHeads: 1, headDim: 1 };
  const shapes = layerSpecs.flatMap((layer): ScratchShape[] => {
    const { queryHeads, kvHeads, headDim } = attentionIn(layer) ?? none;
    const heads = { ...common, queryHeads, kvHeads, headDim };
    const more = layer.map((spec) => ({ ...heads, ...blockOf(spec).scratch?.(spec, D) }));
    return [heads, ...more];
  });
  const keyOf = (shape: ScratchShape) => JSON.stringify(shape);
  return [...new Map(shapes.map((shape) => [keyOf(shape), shape])).values()];
}

/** Bytes of working memory for them. */
export const scratchBytes = (backend: Backend, shapes: readonly ScratchShape[]): number =>
  Math.max(...shapes.map((shape) => backend.scratchBytes(shape)));

/** Reserves working memory for them until what it gives is called. */
export function reserveScratch(backend: Backend, shapes: readonly ScratchShape[]): () => void {
  const releases: (() => void)[] = [];
  const release = () => {
    for (const each of releases.splice(0)) each();
  };
  try {
    for (const shape of shapes) releases.push(backend.reserveScratch(shape));
    return release;
  } catch (error) {
    release();
    throw error;
  }
}

/** What a shared room consists of. */
function regionsOf(config: ModelConfig, piece: number): Regions {
  const regions = new Regions();
  regions.add('ids', Math.max(piece, MOST_DRAWN), 1);
  for (const [i, { dims }] of config.ropes.entries()) regions.add(`angles ${i}`, piece, dims);
  regions.add('between', piece, config.width);
  if (config.layerInputs) {
    regions.add('projected', piece, config.layers * config.layerInputs.width);
    regions.add('input ids', piece, config.layers);
  }
  if (hasBeside(config)) regions.add('aside', piece, config.width);
  for (const spec of config.layerSpecs.flat())
    for (const [name, columns] of Object.entries(blockOf(spec).room(spec, config.width)))
      regions.add(roomName(spec, name), piece, columns);
  addAdapterRoom(regions, config, highestRank(config.adapters), piece);
  regions.add('logits', 1, config.vocabulary);
  return regions;
}

const hasBeside = ({ layerSpecs }: ModelConfig): boolean =>
  layerSpecs.flat().some(({ beside }) => beside !== undefined);

const roomName = ({ kind }: BlockSpec, name: string) => `${kind} ${name}`;

/** The hidden states of a conversation. */
function hiddenRegions(config: ModelConfig, tokens: number): Regions {
  const { width, layers, layerInputs, streams = 1 } = config;
  const regions = new Regions();
  regions.add('x', tokens, streams * width);
  if (layerInputs) regions.add('inputs', tokens, layers * layerInputs.width);
  return regions;
}

/**
 * Bytes that a workspace takes, the backend's scratch included, where no other conversation is
 * open: with others it takes no more.
 */
export function workspaceBytes(
  config: ModelConfig,
  backend: Backend,
  tokens: number,
  piece = tokens,
): number {
  return (
    hiddenRegions(config, tokens).bytes +
    regionsOf(config, piece).bytes +
    scratchBytes(backend, scratchShapes(config, piece))
  );
}

/** The rotations of a room, by the model's ropes. */
export const anglesIn = (
  { ropes }: ModelConfig,
  tensor: (name: string) => Tensor,
): readonly Angles[] =>
  ropes.map(({ dims, style }, i) => ({
    address: tensor(`angles ${i}`).address,
    rotated: dims,
    style,
  }));

/** What lies where in a room that begins at an address. */
function layOut(config: ModelConfig, piece: number, start: Address): SharedRoom {
  const tensor = regionsOf(config, piece).layOut(start);
  const roomOf = (spec: BlockSpec): Room =>
    Object.fromEntries(
      Object.entries(blockOf(spec).room(spec, config.width)).map(([name, columns]) => [
        name,
        tensor(roomName(spec, name), columns),
      ]),
    );
  return {
    ids: tensor('ids').address,
    angles: anglesIn(config, tensor),
    between: tensor('between', config.width),
    inputRoom: config.layerInputs && {
      projected: tensor('projected', config.layerInputs.width),
      ids: tensor('input ids').address,
    },
    aside: hasBeside(config) ? tensor('aside', config.width) : undefined,
    rooms: config.layerSpecs.map((layer) => layer.map(roomOf)),
    adapterRoom: adapterRoomIn(highestRank(config.adapters), piece, tensor),
    logits: tensor('logits', config.vocabulary),
  };
}

/** The workspaces on a model. The room that they share is as large as the largest needs. */
export class Workspaces {
  readonly #config: ModelConfig;
  readonly #backend: Backend;
  /** Pieces of those that are open. */
  readonly #pieces = new Map<Workspace, number>();
  /** The piece that there is room for now. */
  #piece = 0;
  #region: Address = 0;
  #shared: SharedRoom | undefined;

  constructor(config: ModelConfig, backend: Backend) {
    this.#config = config;
    this.#backend = backend;
  }

  /**
   * Reserves memory for passes of up to `tokens` tokens, `piece` at a time, and the scratch that
   * their operations need. Throws DeviceError where memory ends; nothing is left reserved then.
   */
  open(tokens: number, piece: number, coarse = false): Workspace {
    const [config, backend] = [this.#config, this.#backend];
    const sharedRoom = () => this.#shared!;
    const undo: (() => void)[] = [];
    const close = () => {
      for (const step of undo.splice(0).reverse()) step();
    };
    try {
      const hidden = hiddenRegions(config, tokens);
      const address = backend.arena.allocate(hidden.bytes);
      const tensor = hidden.layOut(address);
      const { layerInputs } = config;
      undo.push(() => backend.arena.free(address));
      const workspace: Workspace = {
        tokens,
        piece,
        coarse,
        x: tensor('x', config.width),
        layerInputs: layerInputs && tensor('inputs', layerInputs.width),
        get shared() {
          return sharedRoom();
        },
        dispose: close,
      };
      undo.push(() => {
        this.#pieces.delete(workspace);
        this.#fit();
      });
      this.#pieces.set(workspace, piece);
      this.#fit();
      undo.push(reserveScratch(backend, scratchShapes(config, piece)));
      return workspace;
    } catch (error) {
      close();
      throw error;
    }
  }

  /** Makes the room as large as it has to be. Nothing in it is needed any more. */
  #fit(): void {
    const { arena } = this.#backend;
    const most = Math.max(0, ...this.#pieces.values());
    if (most === this.#piece) return;
    if (this.#piece > 0) arena.free(this.#region);
    this.#piece = 0;
    this.#shared = undefined;
    if (most === 0) return;
    this.#region = arena.allocate(regionsOf(this.#config, most).bytes);
    this.#piece = most;
    this.#shared = layOut(this.#config, most, this.#region);
  }
}
