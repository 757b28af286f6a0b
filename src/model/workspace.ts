// The working memory of a forward pass: what lies where, and what it takes. What blocks work in is
// asked of them; blocks of a kind use the same memory, one after the other.
import type { Angles, Backend, ScratchShape } from '../backend/backend.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import { type BlockSpec, blockOf } from './blocks/registry.ts';
import type { ModelConfig } from './config.ts';
import type { Room } from './layer.ts';

/**
 * Where a session's activations lie: `tokens` hidden states, and everything else for a `piece` of
 * them at a time.
 */
export interface Workspace {
  readonly tokens: number;
  readonly piece: number;
  /** i32 [piece]. */
  readonly ids: Address;
  /** Rotations of a piece, by the model's ropes. */
  readonly angles: readonly Angles[];
  /** Hidden states, f32 [tokens, D]. */
  readonly x: Tensor;
  /** f32 [piece, D]: what goes into a block, and what comes out. */
  readonly normed: Tensor;
  /** What the blocks of each of the model's layers work in. */
  readonly rooms: readonly (readonly Room[])[];
  /** f32 [1, V]. */
  readonly logits: Tensor;
  readonly bytes: number;
  dispose(): void;
}

/** The scratch of passes of up to `tokens` tokens at a time. */
export function scratchShape(
  { width, feedForward, queryHeads, kvHeads, headDim }: ModelConfig,
  tokens: number,
): ScratchShape {
  return {
    tokens,
    queryHeads,
    kvHeads,
    headDim,
    width: Math.max(width, feedForward, queryHeads * headDim),
  };
}

/** The regions of a workspace. */
function regionsOf(config: ModelConfig, tokens: number, piece: number): Map<string, number> {
  const regions = new Map<string, number>();
  const region = (name: string, rows: number, columns: number) => {
    const bytes = Math.ceil((rows * columns * 4) / 16) * 16;
    regions.set(name, Math.max(bytes, regions.get(name) ?? 0));
  };
  region('ids', piece, 1);
  for (const [i, { dims }] of config.ropes.entries()) region(`angles ${i}`, piece, dims);
  region('normed', piece, config.width);
  for (const spec of config.layerSpecs.flat())
    for (const [name, columns] of Object.entries(blockOf(spec).room(spec)))
      region(roomName(spec, name), piece, columns);
  region('x', tokens, config.width);
  region('logits', 1, config.vocabulary);
  return regions;
}

const roomName = ({ kind }: BlockSpec, name: string) => `${kind} ${name}`;
const total = (regions: ReadonlyMap<string, number>) =>
  [...regions.values()].reduce((sum, bytes) => sum + bytes, 0);

/** Bytes that createWorkspace reserves, the backend's scratch included. */
export function workspaceBytes(
  config: ModelConfig,
  backend: Backend,
  tokens: number,
  piece = tokens,
): number {
  return (
    total(regionsOf(config, tokens, piece)) + backend.scratchBytes(scratchShape(config, piece))
  );
}

/**
 * Reserves activations for passes of up to `tokens` tokens, `piece` at a time, and the scratch that
 * their operations need.
 */
export function createWorkspace(
  config: ModelConfig,
  backend: Backend,
  tokens: number,
  piece = tokens,
): Workspace {
  const regions = regionsOf(config, tokens, piece);
  const bytes = total(regions);
  const start = backend.arena.allocate(bytes);
  let releaseScratch: () => void;
  try {
    releaseScratch = backend.reserveScratch(scratchShape(config, piece));
  } catch (error) {
    backend.arena.free(start);
    throw error;
  }
  const places = new Map<string, Address>();
  let end = start;
  for (const [name, size] of regions) {
    places.set(name, end);
    end += size;
  }
  const tensor = (name: string, columns: number): Tensor => ({
    address: places.get(name)!,
    columns,
  });
  const roomOf = (spec: BlockSpec): Room =>
    Object.fromEntries(
      Object.entries(blockOf(spec).room(spec)).map(([name, columns]) => [
        name,
        tensor(roomName(spec, name), columns),
      ]),
    );
  let live = true;
  return {
    tokens,
    piece,
    ids: places.get('ids')!,
    angles: config.ropes.map(({ dims, style }, i) => ({
      address: places.get(`angles ${i}`)!,
      rotated: dims,
      style,
    })),
    x: tensor('x', config.width),
    normed: tensor('normed', config.width),
    rooms: config.layerSpecs.map((layer) => layer.map(roomOf)),
    logits: tensor('logits', config.vocabulary),
    bytes,
    dispose() {
      if (!live) return;
      live = false;
      backend.arena.free(start);
      releaseScratch();
    },
  };
}
