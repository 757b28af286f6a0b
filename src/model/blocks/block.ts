// What a block is: a part of a layer that reads the hidden states and adds something to them. A
// kind of block owns its tensors (names and shapes are written here once, and read by whoever
// checks a file, fills memory or multiplies), the memory it works in, its forward pass and its
// state, if it has one. A spec says which of a kind it is: plain data, so that it can be sent to
// workers.
import type {
  AddBehind,
  Angles,
  Attending,
  ScratchShape,
  Looks,
  NormBefore,
} from '../../backend/backend.ts';
import type { ExpertMatrix } from '../../backend/experts.ts';
import type { Streams } from '../../backend/streams.ts';
import type { Sequence } from '../../backend/training.ts';
import type { Address, Tensor } from '../../backend/tensor.ts';
import { sum } from '../../math/sum.ts';
import type { Cache, Place } from '../../backend/cache.ts';
import type { Learner, Linear, Tokens } from '../linear.ts';

/**
 * NAME.weight [rows, columns], with a bias [rows], NAME.bias, where a file has one, and a number
 * that products are multiplied by, NAME.scale [1], the same (NVFP4).
 */
export interface MatrixSpec {
  readonly kind: 'matrix';
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly biased: boolean;
  /** Which rows of the file's tensor these are. Default: all. */
  readonly part?: RowsPart;
}

/** Rows [from, from + count) of every `period` rows. */
export interface RowsPart {
  readonly period: number;
  readonly from: number;
  readonly count: number;
}

/**
 * NAME.weight [experts, rows, columns], with biases [experts, rows] and a number an expert that
 * products are multiplied by, where a file has them.
 */
export interface ExpertsMatrixSpec extends Omit<MatrixSpec, 'kind' | 'part'> {
  readonly kind: 'experts';
  readonly experts: number;
}

/** NAME.weight [columns], or [rows, columns], kept as f32. */
export interface VectorSpec {
  readonly kind: 'vector';
  /** With all that the file has behind it. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/** NAME.weight [1]: a number that blocks compute with. */
export interface NumberSpec {
  readonly kind: 'number';
  readonly name: string;
  readonly columns: 1;
}

export type TensorSpec = MatrixSpec | ExpertsMatrixSpec | VectorSpec | NumberSpec;

export const matrix = (
  name: string,
  rows: number,
  columns: number,
  { biased = false, part }: { biased?: boolean; part?: RowsPart } = {},
): MatrixSpec => ({ kind: 'matrix', name, rows, columns, biased, ...(part && { part }) });

/** Matrices that a file has as one, in this order. */
export const fused = (name: string, rows: readonly number[], columns: number): MatrixSpec[] => {
  const period = sum(rows);
  let from = 0;
  return rows.map((count) => {
    const part = { period, from, count };
    from += count;
    return matrix(name, count, columns, { biased: true, part });
  });
};

export const expertMatrix = (
  name: string,
  experts: number,
  rows: number,
  columns: number,
  { biased = false } = {},
): ExpertsMatrixSpec => ({ kind: 'experts', name, experts, rows, columns, biased });

export const vector = (
  name: string,
  columns: number,
  { rows = 1, suffix = '.weight' } = {},
): VectorSpec => ({ kind: 'vector', name: `${name}${suffix}`, rows, columns });

export const number = (name: string): NumberSpec => ({
  kind: 'number',
  name: `${name}.weight`,
  columns: 1,
});

/** A block's tensors, by what it calls them; undefined: not in this one. */
export type TensorSpecs = Readonly<Record<string, TensorSpec | undefined>>;

/** The same tensors in memory. */
export type Bound<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends MatrixSpec
    ? Linear
    : Specs[Name] extends VectorSpec
      ? Tensor
      : Specs[Name] extends NumberSpec
        ? number
        : Specs[Name] extends ExpertsMatrixSpec
          ? ExpertMatrix
          : Specs[Name] extends MatrixSpec | undefined
            ? Linear | undefined
            : Specs[Name] extends ExpertsMatrixSpec | undefined
              ? ExpertMatrix | undefined
              : Specs[Name] extends NumberSpec | undefined
                ? number | undefined
                : Tensor | undefined;
};

/** What every block has around it. */
export interface Residual {
  /** Name of the norm of its input; none: it takes the hidden states as they are. */
  readonly norm?: string;
  /** What stands behind that name in the file. Default '.weight'. */
  readonly normSuffix?: string;
  /** Name of the norm of its output, before that is added. */
  readonly normAfter?: string;
  /** What its output is multiplied by then. Default 1. */
  readonly outputScale?: number | undefined;
  /**
   * It reads what the block before it read, and both outputs are added up, before they go through a
   * norm of this name, if any, and are added to the hidden states. Default: it reads what the block
   * before it left.
   */
  readonly beside?: { readonly norm?: string } | undefined;
  /**
   * Whether its output is added to the other streams of hidden states instead of that which it
   * reads.
   */
  readonly toOthers?: boolean;
}

/** What goes through the layers, where it stands, for whom. */
export interface Pass extends Place {
  readonly cache: Cache;
  /**
   * Where the fixed state of a layer lies, for a piece of tokens that begins with token `from` of
   * the pass: read, and overwritten with what holds behind them. Left out where no layer has one.
   */
  readonly stateOf?: ((layer: number, from: number) => Address) | undefined;
  /**
   * Called in every layer after the attention of each piece, with its queries [T, Hq * d]. With the
   * last piece of a layer (`done` = all tokens) the listener may change that layer's rows.
   */
  readonly onLayer?: (
    layer: number,
    queries: Tensor,
    T: number,
    done: number,
    looks?: Looks,
    attending?: Attending,
  ) => void;
  /**
   * Whether the listener is given what the queries' attention to rows before this pass summed up to
   * (where it was computed).
   */
  readonly looks?: boolean;
  /** Stop after the model's last layer's attention: nobody needs what would come out. */
  readonly queriesOnly?: boolean;
}

/** T tokens of a pass on their way through a block. */
export interface Piece extends Tokens {
  readonly pass: Pass;
  /** Of the part of the model at hand, whose first layer has this number in the whole. */
  readonly layer: number;
  readonly first: number;
  /** Whether it is the model's last. */
  readonly isLast: boolean;
  /** Tokens of the pass before these, and behind them. */
  readonly from: number;
  readonly left: number;
  readonly normEps: number;
  /** Their rotations, by the model's ropes. */
  readonly angles: readonly Angles[];
  /** [T, D], the hidden states, and the norm that they go through before the block, if any. */
  readonly x: Tensor;
  readonly before?: NormBefore;
  /** All streams of the hidden states, where the model has several: x is the first. */
  readonly streams?: Streams | undefined;
  /** [T, P], the layer's own input of the tokens, where the model has such. */
  readonly layerInput?: Tensor | undefined;
  /** [T, D], where the output goes, and whether it is added to what is there. */
  readonly y: Tensor;
  readonly behind?: AddBehind;
}

/** T tokens that are learned from, on their way through a block and back. */
export interface Batch extends Learner {
  /** Which of them see each other. */
  readonly sequences: readonly Sequence[];
  readonly normEps: number;
  /** Their rotations, by the model's ropes. */
  readonly angles: readonly Angles[];
  /** [T, D], the block's input. */
  readonly h: Tensor;
}

/**
 * How a block learns: a forward pass on dense keys and values, and the way back. Its room is what
 * the first leaves for the second (`kept`), and what both work in (`spare`).
 */
export interface Learning<Spec, Specs extends TensorSpecs, Room extends string> {
  /** Columns, f32, for each token. */
  kept(spec: Spec): Readonly<Partial<Record<Room, number>>>;
  spare(spec: Spec): Readonly<Partial<Record<Room, number>>>;
  /** y = f(h); y lies apart from h. */
  forward(
    batch: Batch,
    spec: Spec,
    weights: Bound<Specs>,
    room: Readonly<Record<Room, Tensor>>,
    y: Tensor,
  ): void;
  /**
   * Adds to the gradients of what is trained, given dy, which stays; dh = the gradient of h, where
   * anybody wants it.
   */
  backward(
    batch: Batch,
    spec: Spec,
    weights: Bound<Specs>,
    room: Readonly<Record<Room, Tensor>>,
    dy: Tensor,
    dh: Tensor | undefined,
  ): void;
}

export interface Block<Spec, Specs extends TensorSpecs, Room extends string> {
  /** D: the model's width. */
  tensors(spec: Spec, D: number): Specs;
  /** Tensors that files may have for it, and that nothing is computed with. */
  unread?(spec: Spec, D: number): readonly TensorSpec[];
  /** Columns, f32, of what it works in, for each token. */
  room(spec: Spec, D: number): Readonly<Record<Room, number>>;
  /** What its operations have to be ready for, beside attention and products. */
  scratch?(spec: Spec, D: number): Pick<ScratchShape, 'recurrentKeys' | 'experts'>;
  /**
   * Numbers, f32, of what it keeps of the tokens before, whatever their number; zeros before the
   * first. A layer has one such block at most.
   */
  state?(spec: Spec): number;
  /** Whether it changes the hidden states themselves, and adds nothing. */
  readonly isInPlace?: boolean;
  /** y = f(norm(x)). False where nobody needs what would come out: the layer ends here then. */
  forward(
    piece: Piece,
    spec: Spec,
    weights: Bound<Specs>,
    room: Readonly<Record<Room, Tensor>>,
  ): boolean;
  /** Left out where it cannot learn; what of a spec it cannot learn, for the message. */
  readonly learning?: Learning<Spec, Specs, string>;
  unlearned?(spec: Spec): string | undefined;
}

/** A block by the functions that give its tensors and its room. */
export type BlockOf<
  Spec,
  Tensors extends (spec: never, D: number) => TensorSpecs,
  Room extends (spec: never, D: number) => Readonly<Record<string, number>>,
> = Block<Spec, ReturnType<Tensors>, Extract<keyof ReturnType<Room>, string>>;
