// The forward pass: tokens in, keys and values into the cache layer by layer, log-odds of the next
// token out. It reads like the figure. It decides nothing about what the cache keeps: after each
// attention it calls back, and whoever listens may compact that layer.
//
// T tokens of a piece, D width, V vocabulary. All activations f32.
import type { Backend, Drawing } from '../backend/backend.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import type { Pass, Piece } from './blocks/block.ts';
import type { ModelConfig } from './config.ts';
import { layerInputOf, makeLayerInputs } from './layer-inputs.ts';
import { applyLinear } from './linear.ts';
import type { Rotary } from './rotary.ts';
import type { ModelWeights } from './weights.ts';
import type { BoundBlock, Room } from './layer.ts';
import type { SharedRoom, Workspace } from './workspace.ts';

/** A model, or consecutive layers of it, that are here. */
export interface Network {
  readonly config: ModelConfig;
  readonly backend: Backend;
  readonly weights: ModelWeights;
  /** By the config's ropes. */
  readonly rotaries: readonly Rotary[];
}

/** Tokens that lie in the backend's memory, i32 [count]: nobody here knows which they are. */
export interface TokensThere {
  readonly ids: Address;
  readonly count: number;
}

/**
 * Tokens, for the model's first layers; for others the hidden states f32 [T, D] that the layers
 * before left.
 */
export type Input = readonly number[] | TokensThere | Float32Array;

/** A pass, and where its activations lie. */
export interface ForwardPass extends Pass {
  readonly workspace: Workspace;
}

/**
 * Runs `count` tokens through the layers at hand, a piece at a time, appending as many rows to
 * every head. Leaves the last hidden states in workspace.x.
 */
export function forward(model: Network, input: Input, count: number, pass: ForwardPass): void {
  const { backend, config, weights, rotaries } = model;
  const { width: D, normEps, embeddingScale } = config;
  const { x: hidden, piece: size, shared: s } = pass.workspace;
  const pieces = Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const from = i * size;
    const x: Tensor = { address: hidden.address + from * D * 4, columns: D }; // [T, D]
    return { x, from, T: Math.min(size, count - from) };
  });
  const turn = (from: number, T: number) =>
    rotaries.forEach((rotary, i) =>
      rotary.write(backend, s.angles[i].address, pass.position + from, T),
    );

  if (input instanceof Float32Array) backend.write(hidden.address, input);
  else {
    for (const { x, from, T } of pieces) {
      let ids = s.ids;
      if ('ids' in input) ids = input.ids + from * 4;
      else backend.write(ids, Int32Array.from(input.slice(from, from + T)));
      backend.embed(x, weights.embedding!, ids, T);
      if (embeddingScale !== undefined) backend.scale(x, embeddingScale, T);
      if (!weights.layerInputs || !pass.workspace.layerInputs) continue;
      if ('ids' in input) throw new RangeError('tokens that nobody knows have no inputs of layers');
      const made = inputsFrom(pass.workspace.layerInputs, config.layers, from);
      const inputRoom = { ...s.inputRoom!, made };
      makeLayerInputs(
        backend,
        weights.layerInputs,
        inputRoom,
        input.slice(from, from + T),
        x,
        normEps,
      );
    }
  }
  if (pieces.length === 1) turn(0, count);
  for (const [layer, { blocks }] of weights.layers.entries()) {
    const rooms = s.rooms[weights.first + layer];
    const isLast = weights.first + layer === config.layers - 1;
    for (const { x, from, T } of pieces) {
      if (pieces.length > 1) turn(from, T);
      const { angles, adapterRoom } = s;
      const left = count - from - T;
      const at = { layer, first: weights.first, isLast, from, left, T };
      const inputs = pass.workspace.layerInputs;
      const layerInput =
        inputs && layerInputOf(inputsFrom(inputs, config.layers, from), weights.first + layer, T);
      const piece = { backend, pass, ...at, normEps, angles, adapterRoom, x, layerInput };
      throughLayer(blocks, rooms, piece, s);
    }
  }
}

/** A piece through the blocks of a layer. */
function throughLayer(
  blocks: readonly BoundBlock[],
  rooms: readonly Room[],
  piece: Omit<Piece, 'y'>,
  { between: room, aside }: Pick<SharedRoom, 'between' | 'aside'>,
): void {
  const { backend, x, T, normEps } = piece;
  for (const [i, block] of blocks.entries()) {
    const { norm, normAfter, outputScale, beside, forward: f } = block;
    if (block.isInPlace) {
      f({ ...piece, y: x }, rooms[i]);
      continue;
    }
    const isFirstOfTwo = blocks[i + 1]?.beside !== undefined;
    const isPlain = !isFirstOfTwo && !beside && !normAfter && outputScale === undefined;
    const before = norm && { norm: { w: norm, eps: normEps }, room };
    const y = isPlain ? x : isFirstOfTwo ? aside! : room;
    const behind = isPlain ? ({ adds: true, room } as const) : undefined;
    if (!f({ ...piece, before, y, behind }, rooms[i])) break; // x += f(norm(x))
    if (isPlain) continue;
    // x += norm(y), where y = f(norm(x))
    if (normAfter) backend.rmsNorm(y, y, normAfter, T, normEps);
    if (outputScale !== undefined) backend.scale(y, outputScale, T);
    if (isFirstOfTwo) continue;
    if (beside) backend.add(y, aside!, T);
    if (beside?.norm) backend.rmsNorm(y, y, beside.norm, T, normEps);
    backend.add(x, y, T);
  }
}

/** Inputs of the layers' own from a piece on that begins with token `from`. */
const inputsFrom = ({ address, columns }: Tensor, layers: number, from: number): Tensor => ({
  address: address + from * layers * columns * 4,
  columns,
});

/** Log-odds f32 [V] after token t of the last pass, left in the workspace. */
export function logits({ backend, config, weights }: Network, of: Workspace, t: number): void {
  const s = of.shared;
  const x = { address: of.x.address + t * config.width * 4, columns: config.width }; // [1, D]
  const before = { norm: { w: weights.outputNorm!, eps: config.normEps }, room: s.between };
  applyLinear({ backend, T: 1 }, [[s.logits, { weight: weights.output! }]], x, before); // [1, V]
  if (config.logitScale !== undefined) backend.scale(s.logits, config.logitScale, 1);
  if (config.logitCap !== undefined) backend.softCap(s.logits, config.logitCap, 1);
}

/** Draws the token behind token t of the last pass: i32 at `to`. */
export function draw(
  model: Network,
  of: Workspace,
  t: number,
  to: Address,
  by: Drawing,
  random: number,
): void {
  logits(model, of, t);
  model.backend.draw!(to, of.shared.logits, by, random);
}
