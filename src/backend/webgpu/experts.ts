// Layers of experts: who is chosen stays on the device. Few pairs of a token and one of its experts
// go one by one; many are sorted by experts and go tile by tile, as many tiles as there can be.
import { weightRowBytes } from '../dtype.ts';
import {
  type ExpertLayer,
  type ExpertMatrix,
  expertRows,
  type Experts,
  type ExpertShape,
} from '../experts.ts';
import { Regions } from '../regions.ts';
import type { Address, Tensor } from '../tensor.ts';
import type { OpenDevice } from './device.ts';
import { wordOffset as word } from './heap.ts';
import { floatWord } from './kernels.ts';
import { lanesOf } from './one-row.ts';
import { NONE } from './parts.ts';
import { FEW_ROWS, TILE } from './products.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';
import { type WeightStore, weightConstants } from './weights.ts';

const LANES = 64;
const activations = { silu: 0, gelu: 1, clamped: 2 };
const gates = { softmax: 0, sigmoid: 1, chosen: 2 };

/** Tiles that pairs can be cut into at most: a last one of each expert is not full. */
const mostTiles = (pairs: number, experts: number): number =>
  Math.floor(pairs / TILE) + Math.min(pairs, experts);

/** What lies between products: a row a pair. */
function layOut({ experts, used, width, inner }: ExpertShape, T: number): Regions {
  const regions = new Regions();
  regions.add('gates', T * used, 2 * inner);
  regions.add('outer', T * used, width);
  regions.add('order', T * used, 1);
  regions.add('tiles', mostTiles(T * used, experts), 3);
  return regions;
}

export const expertScratchBytes = (shape: ExpertShape, T: number): number => layOut(shape, T).bytes;

/** Pairs on their way through products. */
interface Pairs {
  readonly ids: Address;
  readonly count: number;
  readonly experts: number;
  /** Where they are sorted. */
  readonly order: Address;
  readonly table: Address;
  readonly tiles: number;
  readonly areFew: boolean;
}

/** A product's columns of rows of y. */
interface Place {
  readonly y: Tensor;
  readonly from: number;
  readonly m: number;
}

/** Products of all pairs, each with its expert's matrix; `share` pairs have a row of x. */
type Multiply = (pairs: Pairs, matrix: ExpertMatrix, x: Tensor, share: number, to: Place) => void;

function multiplier(
  recorder: Recorder,
  piecesOf: WeightStore['piecesOf'],
  lanes: number,
): Multiply {
  const { kernels } = recorder;
  return (pairs, matrix, x, share, to) => {
    const { weight, scale, bias } = matrix;
    const { type, columns } = weight;
    const { areFew, count, experts, tiles } = pairs;
    const { y, from, m } = to;
    const constants = weightConstants(type);
    const kernel = areFew
      ? kernels.get('expert-one', 'wrrr', { ...constants, LANES: lanes })
      : kernels.get('expert-tile', 'wrrr', constants);
    const groups = areFew ? count * Math.ceil(m / 4) : tiles * Math.ceil(m / TILE);
    const read = (areFew ? count : Math.min(count, experts)) * m * weightRowBytes(type, columns);
    for (const [i, { address, first, rows, regions }] of piecesOf(weight).entries())
      recorder.dispatch(
        kernel,
        [y.address, address, scale?.address ?? address, bias?.address ?? address],
        [
          ...[word(y.address) + from, y.columns, word(x.address), x.columns],
          ...[word(pairs.ids), share, count, m, expertRows(m), columns, first, rows, ...regions],
          ...[scale ? word(scale.address) : NONE, bias ? word(bias.address) : NONE],
          ...[word(pairs.order), word(pairs.table), tiles],
        ],
        groups,
        // of all pieces together an expert is read
        i === 0 ? read : 0,
      );
  };
}

function group(recorder: Recorder, { ids, count, experts, order, table, tiles }: Pairs): void {
  recorder.dispatch(
    recorder.kernels.get('group-choice', 'w', { E: experts }),
    [ids],
    [word(ids), count, word(order), word(table), tiles],
    count > 0 ? 1 : 0,
  );
}

function gate(
  recorder: Recorder,
  x: Tensor,
  pairs: number,
  f: number,
  { activation }: ExpertLayer,
): void {
  recorder.dispatch(
    recorder.kernels.get('expert-gate', 'w', { KIND: activations[activation] }),
    [x.address],
    [word(x.address), pairs, f],
    Math.ceil((pairs * f) / LANES),
  );
}

export function expertOps(
  recorder: Recorder,
  scratch: Scratch,
  piecesOf: WeightStore['piecesOf'],
  device: Pick<OpenDevice, 'isSoftware'>,
): Experts {
  const { kernels } = recorder;
  const multiply = multiplier(recorder, piecesOf, lanesOf(device));

  return {
    route({ ids, weights }, logits, T, { used, gate: by, bias, renormalise, scale = 1 }) {
      recorder.dispatch(
        bias
          ? kernels.get('route-biased', 'wr', { BY: gates[by] })
          : kernels.get('route', 'w', { BY: gates[by] }),
        bias ? [logits.address, bias.address] : [logits.address],
        [
          ...[word(ids), word(weights.address), word(logits.address)],
          ...[bias ? word(bias.address) : NONE, T, logits.columns, used],
          ...[renormalise ? 1 : 0, floatWord(scale)],
        ],
        T,
      );
    },

    apply(y, x, T, { ids, weights }, layer, adds = false) {
      const { columns: used } = weights;
      const { columns: f, rows } = layer.down.weight;
      const experts = rows / expertRows(y.columns);
      const shape = { experts, used, width: y.columns, inner: f };
      const room = layOut(shape, T).layOut(scratch.at(expertScratchBytes(shape, T)));
      const [between, outer] = [room('gates', 2 * f), room('outer', y.columns)];
      const count = T * used;
      const pairs: Pairs = {
        ...{ ids, count, experts },
        ...{ order: room('order').address, table: room('tiles').address },
        tiles: mostTiles(count, experts),
        areFew: count <= FEW_ROWS * experts,
      };
      if (!pairs.areFew) group(recorder, pairs);
      if (layer.gate) multiply(pairs, layer.gate, x, used, { y: between, from: 0, m: f });
      const [from, m] = layer.gate ? [f, f] : [0, 2 * f];
      multiply(pairs, layer.up, x, used, { y: between, from, m });
      gate(recorder, between, count, f, layer);
      multiply(pairs, layer.down, between, 1, { y: outer, from: 0, m: y.columns });
      recorder.dispatch(
        kernels.get('expert-sum', 'w'),
        [y.address],
        [
          ...[word(y.address), word(outer.address), word(weights.address)],
          ...[T, used, y.columns, adds ? 1 : 0],
        ],
        Math.ceil((T * y.columns) / LANES),
      );
    },
  };
}
