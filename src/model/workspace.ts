// The working memory of a forward pass: what lies where, and what it takes.
import type { Backend, ScratchShape } from '../backend/backend.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from './config.ts';

/**
 * Where a session's activations lie: `tokens` hidden states, and everything else for a `piece` of
 * them at a time.
 */
export interface Workspace {
  readonly tokens: number;
  readonly piece: number;
  readonly ids: Address;
  readonly angles: Address;
  readonly x: Tensor;
  readonly normed: Tensor;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mixed: Tensor;
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly looks: Tensor;
  /** f32 [1, V]. */
  readonly logits: Tensor;
  readonly bytes: number;
  dispose(): void;
}

/** Columns of what is held for a piece at a time, f32 (ids: i32). */
function pieceColumnsOf({
  width: D,
  queryHeads,
  kvHeads,
  headDim: d,
  feedForward: F,
  ropeDims,
}: ModelConfig) {
  return {
    normed: D,
    q: queryHeads * d,
    k: kvHeads * d,
    v: kvHeads * d,
    mixed: queryHeads * d,
    gate: F,
    up: F,
    looks: 2 * queryHeads,
    ids: 1,
    angles: ropeDims,
  } as const;
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

const align = (bytes: number) => Math.ceil(bytes / 16) * 16;

function activationBytes(config: ModelConfig, tokens: number, piece: number): number {
  const pieces = Object.values(pieceColumnsOf(config)).reduce(
    (sum, columns) => sum + align(piece * columns * 4),
    0,
  );
  return align(tokens * config.width * 4) + pieces + align(config.vocabulary * 4);
}

/** Bytes that createWorkspace reserves, the backend's scratch included. */
export function workspaceBytes(
  config: ModelConfig,
  backend: Backend,
  tokens: number,
  piece = tokens,
): number {
  return activationBytes(config, tokens, piece) + backend.scratchBytes(scratchShape(config, piece));
}

/**
 * Reserves activations for passes of up to `tokens` tokens, worked on `piece` at a time. Throws
 * DeviceError where memory ends.
 */
export function createWorkspace(
  config: ModelConfig,
  backend: Backend,
  tokens: number,
  piece = tokens,
): Workspace {
  const bytes = activationBytes(config, tokens, piece);
  const region = backend.arena.allocate(bytes);
  let releaseScratch: () => void;
  try {
    releaseScratch = backend.reserveScratch(scratchShape(config, piece));
  } catch (error) {
    backend.arena.free(region);
    throw error;
  }
  let at = region;
  const take = (rows: number, columns: number): Tensor => {
    const tensor = { address: at, columns };
    at += align(rows * columns * 4);
    return tensor;
  };
  const pieces = Object.fromEntries(
    Object.entries(pieceColumnsOf(config)).map(([name, columns]) => [name, take(piece, columns)]),
  ) as Record<keyof ReturnType<typeof pieceColumnsOf>, Tensor>;
  let live = true;
  return {
    tokens,
    piece,
    ...pieces,
    ids: pieces.ids.address,
    angles: pieces.angles.address,
    x: take(tokens, config.width),
    logits: take(1, config.vocabulary),
    bytes,
    dispose() {
      if (!live) return;
      live = false;
      backend.arena.free(region);
      releaseScratch();
    },
  };
}
