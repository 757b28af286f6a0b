// A layer: blocks, each with the norms around it, and their tensors in memory.
import type { ExpertMatrix } from '../backend/experts.ts';
import type { Tensor, Weight } from '../backend/tensor.ts';
import { attention } from './blocks/attention.ts';
import {
  type Batch,
  type Bound,
  type Piece,
  type RowsPart,
  type TensorSpec,
  type TensorSpecs,
  vector,
} from './blocks/block.ts';
import type { AdapterPair, Linear } from './linear.ts';
import {
  attentionIn,
  type BlockSpec,
  blockOf,
  type LayerSpec,
  learningOf,
} from './blocks/registry.ts';

/** Tensors in memory, by the names that files have for them. */
export interface TensorFinder {
  matrix(name: string): Weight | undefined;
  vector(name: string): Tensor | undefined;
  /** A number that blocks compute with. */
  number(name: string): number | undefined;
  /** What adapters have for a matrix, or for some rows of it. */
  adapters(name: string, part?: RowsPart): readonly AdapterPair[] | undefined;
}

/** A matrix or vector in memory, by the name that files have for it. */
export interface NamedTensor {
  readonly name: string;
  readonly at: Weight | Tensor;
}

/** What a block works in. */
export type Room = Readonly<Record<string, Tensor>>;

/** A block with its tensors. */
export interface BoundBlock {
  readonly norm?: Tensor;
  readonly normAfter?: Tensor;
  readonly outputScale?: number | undefined;
  readonly isInPlace?: boolean | undefined;
  readonly beside?: { readonly norm?: Tensor | undefined } | undefined;
  readonly toOthers?: boolean | undefined;
  /** y = f(norm(x)), see blocks/block.ts. */
  forward(piece: Piece, room: Room): boolean;
  /** How it learns, see blocks/block.ts. */
  readonly learning: {
    forward(batch: Batch, room: Room, y: Tensor): void;
    backward(batch: Batch, room: Room, dy: Tensor, dh: Tensor | undefined): void;
  };
}

export interface Layer {
  readonly blocks: readonly BoundBlock[];
  /** All of its matrices and vectors. */
  readonly parameters: readonly NamedTensor[];
  /** Numbers that products of its matrices are multiplied by, where not 1, by name. */
  readonly scaled: readonly string[];
  /** The output projection [D, Hq d] of its attention, where it has one. */
  readonly attentionOutput?: Weight;
}

const normsOf = ({ norm, normAfter, beside, normSuffix }: BlockSpec, D: number) => {
  const named = (name: string | undefined, suffix?: string) =>
    name === undefined ? undefined : vector(name, D, { suffix });
  return {
    norm: named(norm, normSuffix),
    normAfter: named(normAfter),
    besideNorm: named(beside?.norm),
  };
};

/** What a part of a file's tensor is called in memory. */
export const nameOfPart = (tensor: string, part: RowsPart | undefined): string =>
  part ? `${tensor} ${part.from}+${part.count}/${part.period}` : tensor;

/** Tensors of a layer in a model of width D. */
export function tensorsOfLayer(layer: LayerSpec, D: number): TensorSpec[] {
  const all = layer.flatMap((spec) => [normsOf(spec, D), blockOf(spec).tensors(spec, D)]);
  return all.flatMap((specs) => Object.values(specs)).filter((spec) => spec !== undefined);
}

/** Tensors that files may have for a layer, and that nothing is computed with. */
export const unreadOfLayer = (layer: LayerSpec, D: number): TensorSpec[] =>
  layer.flatMap((spec) => blockOf(spec).unread?.(spec, D) ?? []);

/** The layer with its tensors, whose names begin with `prefix` in the file. */
export function bindLayer(layer: LayerSpec, D: number, prefix: string, find: TensorFinder): Layer {
  const own = attentionIn(layer);
  const parameters: NamedTensor[] = [];
  const scaled: string[] = [];
  const named: TensorFinder = {
    matrix: (name) => noted(name, find.matrix(name)),
    vector: (name) => noted(name, find.vector(name)),
    number(name) {
      const found = find.number(name);
      if (found !== undefined && found !== 1 && name.endsWith('.scale')) scaled.push(name);
      return found;
    },
    adapters(name, part) {
      const found = find.adapters(name, part);
      for (const { a, b } of found ?? []) {
        noted(`${name}.lora_a`, a);
        noted(`${name}.lora_b`, b);
      }
      return found;
    },
  };
  function noted<T extends Weight | Tensor>(name: string, at: T | undefined): T | undefined {
    if (at) parameters.push({ name, at });
    return at;
  }
  return {
    parameters,
    scaled,
    blocks: layer.map((spec): BoundBlock => {
      const block = blockOf(spec);
      const weights = bind(block.tensors(spec, D), prefix, named);
      const { besideNorm, ...norms } = bind(normsOf(spec, D), prefix, named);
      return {
        ...norms,
        outputScale: spec.outputScale,
        isInPlace: block.isInPlace,
        beside: spec.beside && { norm: besideNorm },
        toOthers: spec.toOthers,
        forward: (piece, room) => block.forward(piece, spec, weights, room),
        learning: {
          forward: (batch, room, y) => learningOf(spec).forward(batch, spec, weights, room, y),
          backward: (batch, room, dy, dh) =>
            learningOf(spec).backward(batch, spec, weights, room, dy, dh),
        },
      };
    }),
    attentionOutput: own && bind(attention.tensors(own, D), prefix, find).output.weight,
  };
}

function bind<Specs extends TensorSpecs>(
  specs: Specs,
  prefix: string,
  find: TensorFinder,
): Bound<Specs> {
  const bound = Object.entries(specs).map(([key, spec]) => {
    const name = `${prefix}${spec?.name}`;
    if (!spec) return [key, undefined];
    if (spec.kind === 'vector') return [key, find.vector(name)];
    if (spec.kind === 'number') return [key, find.number(name)];
    if (spec.kind === 'experts') {
      const experts: ExpertMatrix = {
        weight: find.matrix(`${name}.weight`)!,
        scale: find.vector(`${name}.scale`),
        bias: find.vector(`${name}.bias`),
      };
      return [key, experts];
    }
    const matrix = nameOfPart(`${name}.weight`, spec.part);
    const linear: Linear = {
      weight: find.matrix(matrix)!,
      bias: find.vector(nameOfPart(`${name}.bias`, spec.part)),
      scale: find.number(`${name}.scale`),
      adapters: find.adapters(`${name}.weight`, spec.part),
    };
    return [key, linear];
  });
  return Object.fromEntries(bound) as Bound<Specs>;
}
