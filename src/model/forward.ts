// The forward pass: tokens in, keys and values into the cache layer by layer, log-odds of the next
// token out. It reads like the figure. It decides nothing about what the cache keeps: after each
// attention it calls back, and whoever listens may compact that layer.
//
// T tokens of a piece, D width, V vocabulary. All activations f32.
import type { Backend, Drawing } from '../backend/backend.ts';
import { streamOf } from '../backend/streams.ts';
import type { Address, Tensor } from '../backend/tensor.ts';
import type { Pass, Piece } from './blocks/block.ts';
import type { ModelConfig } from './config.ts';
import { layerInputOf, makeLayerInputs } from './layer-inputs.ts';
import { applyLinear } from './linear.ts';
import type { Rotary } from './rotary.ts';
import { mergeStreams, spreadStreams } from './streams.ts';
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

/** T tokens of a pass, from its token `from` on, and where their hidden states lie. */
interface PieceAt extends Pick<Piece, 'from' | 'T' | 'left' | 'x' | 'streams'> {}

function piecesOf({ width: D, streams = 1 }: ModelConfig, of: Workspace, count: number): PieceAt[] {
  const size = of.piece;
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const from = i * size;
    const T = Math.min(size, count - from);
    const x: Tensor = { address: of.x.address + from * streams * D * 4, columns: D }; // [T, D]
    return {
      from,
      T,
      left: count - from - T,
      x,
      streams: streams > 1 ? { ...x, count: streams } : undefined,
    };
  });
}

/**
 * Runs `count` tokens through the layers at hand, a piece at a time, appending as many rows to
 * every head. Leaves the last hidden states in workspace.x.
 */
export function forward(model: Network, input: Input, count: number, pass: ForwardPass): void {
  const { backend, config, weights, rotaries } = model;
  const { normEps } = config;
  const { workspace } = pass;
  const { shared: s } = workspace;
  const pieces = piecesOf(config, workspace, count);
  const turn = (from: number, T: number) =>
    rotaries.forEach((rotary, i) =>
      rotary.write(backend, s.angles[i].address, pass.position + from, T),
    );

  if (input instanceof Float32Array) backend.write(workspace.x.address, input);
  else for (const piece of pieces) embedPiece(model, input, piece, workspace);
  if (pieces.length === 1) turn(0, count);
  for (const [layer, { blocks }] of weights.layers.entries()) {
    const rooms = s.rooms[weights.first + layer];
    const isLast = weights.first + layer === config.layers - 1;
    for (const own of pieces) {
      const { from, T } = own;
      if (pieces.length > 1) turn(from, T);
      const { angles, adapterRoom } = s;
      const at = { layer, first: weights.first, isLast };
      const inputs = workspace.layerInputs;
      const layerInput =
        inputs && layerInputOf(inputsFrom(inputs, config.layers, from), weights.first + layer, T);
      const piece = { ...own, backend, pass, ...at, normEps, angles, adapterRoom, layerInput };
      throughLayer(blocks, rooms, piece, s);
    }
  }
  if (weights.end === config.layers && !pass.queriesOnly)
    for (const piece of pieces) mergePiece(model, piece, workspace);
}

/** The hidden states that tokens begin with, and their layers' own inputs. */
function embedPiece(
  { backend, config, weights }: Network,
  input: readonly number[] | TokensThere,
  { from, T, x, streams }: PieceAt,
  { layerInputs, shared: s }: Workspace,
): void {
  const { embeddingScale, layers, normEps } = config;
  const tokens = 'ids' in input ? undefined : input.slice(from, from + T);
  let ids = s.ids;
  if (tokens) backend.write(ids, Int32Array.from(tokens));
  else ids = (input as TokensThere).ids + from * 4;
  backend.embed(x, weights.embedding!, ids, T);
  if (embeddingScale !== undefined) backend.scale(x, embeddingScale, T);
  if (weights.layerInputs && layerInputs) {
    if (!tokens) throw new RangeError('tokens that nobody knows have no inputs of layers');
    const room = { ...s.inputRoom!, made: inputsFrom(layerInputs, layers, from) };
    makeLayerInputs(backend, weights.layerInputs, room, tokens, x, normEps);
  }
  if (weights.streams && streams) spreadStreams(backend, weights.streams, streams, T);
}

/** Makes one of a piece's streams of hidden states, and puts it where the last ones are wanted. */
function mergePiece(
  { backend, config: { width: D }, weights }: Network,
  { from, T, x, streams }: PieceAt,
  { x: hidden, shared: s }: Workspace,
): void {
  if (!weights.streams || !streams) return;
  mergeStreams(backend, weights.streams, streams, s.between, T);
  // (over streams of the pieces before, which are done with)
  if (from > 0) backend.copy(hidden.address + from * D * 4, x.address, T * D * 4);
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
    const { norm, normAfter, outputScale, beside, toOthers, forward: f } = block;
    const before = norm && { norm: { w: norm, eps: normEps }, room };
    if (block.isInPlace) {
      f({ ...piece, before, y: x }, rooms[i]);
      continue;
    }
    const isFirstOfTwo = blocks[i + 1]?.beside !== undefined;
    const isChanged = normAfter !== undefined || outputScale !== undefined;
    const isPlain = !isFirstOfTwo && !beside && !isChanged && !toOthers;
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
    if (toOthers) addToOthers(piece, y);
    else backend.add(x, y, T);
  }
}

/** Adds to all streams of hidden states but the first. */
function addToOthers({ backend, streams, T }: Omit<Piece, 'y'>, y: Tensor): void {
  if (!streams) throw new RangeError('a layer was given one stream of hidden states');
  for (let i = 1; i < streams.count; i++) backend.add(streamOf(streams, i, T), y, T);
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
